"""The worker that `tendon serve` starts on SQLite: one for all processes, started again when it dies, and never left
behind."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.databases import create_migrated_file
from tests.processes import Process
from tests.serving.conftest import Serve
from tests.serving.serving import is_gone, workers
from tests.waiting import until


async def started(process: Process, count: int = 1) -> int:
    """The process id of the worker, once it is ready."""
    await until(lambda: len(process.logged("work.ready")) >= count, f"{count} workers ready")
    return process.logged("work.process.started")[-1]["pid"]


@pytest.mark.parametrize("count", [1, 2])
async def test_serve_starts_one_and_stops_it(serve: Serve, count: int) -> None:
    process = serve(count, TENDON_WORKER="1", TENDON_LOG_LEVEL="INFO")
    pid = await started(process)
    assert await asyncio.to_thread(process.stop) == 0
    assert is_gone(pid)
    assert len(process.logged("work.process.started")) == 1
    assert len(process.logged("work.stopped")) == 1


@pytest.mark.parametrize("count", [1, 2])
async def test_one_that_dies_is_started_again(serve: Serve, count: int) -> None:
    process = serve(count, TENDON_WORKER="1")
    first = await started(process)
    os.kill(first, signal.SIGKILL)
    second = await started(process, 2)
    assert first != second
    assert len(process.logged("work.process.ended")) == 1
    assert await asyncio.to_thread(process.stop) == 0
    assert is_gone(second)


@pytest.mark.parametrize("count", [1, 2])
async def test_none_is_left_when_serve_is_killed(serve: Serve, count: int) -> None:
    process = serve(count, TENDON_WORKER="1")
    pid = await started(process)
    process.kill()
    await until(lambda: is_gone(pid), "the worker to end")
    await until(lambda: all(is_gone(worker) for worker in workers(process)), "the other processes to end")


async def test_a_worker_process_that_dies_leaves_it_alone(serve: Serve) -> None:
    process = serve(2, TENDON_WORKER="1")
    pid = await started(process)
    os.kill(workers(process)[0], signal.SIGKILL)
    await until(lambda: len(workers(process)) == 3, "another process")
    assert not is_gone(pid)
    assert await asyncio.to_thread(process.stop) == 0


async def test_serve_starts_none_if_it_is_off(serve: Serve) -> None:
    process = serve(1, TENDON_WORKER="0")
    assert await asyncio.to_thread(process.stop) == 0
    assert process.logged("work.process.started") == []


async def test_it_can_use_the_sandbox_of_serve(tmp_path: Path) -> None:
    """It has the credentials that serve generated, in an environment of its own."""
    create_migrated_file(tmp_path / ".tendon" / "tendon.db")
    process = Process("serve", folder=tmp_path, settings={"TENDON_AUTH": "dev", "TENDON_WORKER": "1"})
    try:
        found = variables(await started(process))
        assert found["SANDBOX_ORIGIN"] == f"{process.origin}/sandbox"
        assert len(found["SANDBOX_CLIENT_SECRET"]) > 20
    finally:
        await asyncio.to_thread(process.stop)


def variables(pid: int) -> dict[str, str]:
    """The environment of a process."""
    pairs = (each.partition("=") for each in Path(f"/proc/{pid}/environ").read_text(encoding="utf-8").split("\0"))
    return {name: value for name, _, value in pairs}
