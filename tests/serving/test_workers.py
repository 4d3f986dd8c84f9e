"""Several workers under one parent: they share the load and the truth, are replaced, and end without their parent."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.conftest import Person, begin
from tests.databases import Database
from tests.interfaces import GraphQL, Rest
from tests.processes import Process, environment, free_port, tendon
from tests.sandbox_control import Sandbox
from tests.serving.conftest import Exchange, Serve
from tests.serving.serving import events, get, is_gone, refuses, serving, until, workers


async def test_fifty_equal_callbacks_over_four_workers(
    serve: Serve, sandbox: Sandbox, someone: Person, own_database: Database
) -> None:
    migrated = tendon("migrate", cwd=Path.cwd(), settings={"TENDON_DATABASE_URL": own_database.url})
    assert migrated.returncode == 0, migrated.stderr
    process = serve(4, database=own_database)
    await serving(process, 4)
    # Each on a connection of its own, so that every worker gets some.
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
    async with httpx.AsyncClient(trust_env=False, timeout=30, limits=limits) as client:
        apis = [Rest(client, process.origin), GraphQL(client, process.origin)]
        callback = await begin(apis[0], sandbox, someone)
        await sandbox.fault("sandbox", "slow", seconds=0.5)
        answers = await asyncio.gather(*(apis[number % 2].complete(someone.token, **callback) for number in range(50)))
    assert len({answer.payload for answer in answers}) == 1
    assert answers[0].connection["status"] == "connected"
    assert len(await sandbox.exchanges(callback["code"])) == 1
    assert len(_answering(process)) > 1
    assert await own_database.value("SELECT count(*) FROM vault_key") == 1
    assert process.stop() == 0


def _answering(process: Process) -> set[str]:
    return {worker for line in events(process, "request") for worker in re.findall(r"worker=(\d+)", line)}


async def test_a_worker_that_dies_is_replaced(serve: Serve) -> None:
    process = serve(2)
    await serving(process, 2)
    killed = workers(process)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    await serving(process, 4)
    assert (await get(process.origin, "/readyz")).status_code == 200
    assert set(workers(process)[2:]).isdisjoint(killed)
    assert process.stop() == 0
    assert all(is_gone(pid) for pid in workers(process))


async def test_a_worker_that_is_told_to_stop_drains_and_is_replaced(
    serve: Serve, exchange: Exchange, someone: Person
) -> None:
    process = serve(2)
    await serving(process, 2)
    begun = await exchange(process, someone, 1)
    for pid in workers(process):
        os.kill(pid, signal.SIGTERM)
    assert await begun == "connected"
    await serving(process, 4)
    assert [re.findall(r"status=(\S+)", line) for line in events(process, "worker.ended")] == [["0"], ["0"]]
    assert process.stop() == 0


async def test_without_their_parent_workers_finish_and_leave_nothing(
    serve: Serve, exchange: Exchange, someone: Person
) -> None:
    process = serve(3)
    await serving(process, 3)
    begun = await exchange(process, someone, 1)
    process.kill()
    assert await begun == "connected"
    await until(lambda: all(is_gone(pid) for pid in workers(process)), "the workers are gone")
    assert refuses(process.port)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", process.port))


FAILING = """
from gateway import logs
from gateway.supervisor import supervise

async def app(scope, receive, send):
    raise RuntimeError("CANARY")

async def drain():
    pass

logs.set_up("INFO", dev=True)
supervise(app, "127.0.0.1", {port}, workers=2, drain=drain)
"""


def test_what_can_never_serve_is_given_up_without_haste(tmp_path: Path) -> None:
    began = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-c", FAILING.replace("{port}", str(free_port()))],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 3
    assert "workers.failed" in run.stderr
    assert "CANARY" not in run.stderr
    assert 6 <= run.stderr.count("worker.started") <= 8
    assert time.monotonic() - began > 1


def test_the_mounted_sandbox_has_one_process(tmp_path: Path) -> None:
    run = tendon("serve", "--workers", "2", cwd=tmp_path, settings={"TENDON_AUTH": "dev"})
    assert (run.returncode, run.stdout) == (2, "")
    assert "TENDON_SANDBOX=0" in run.stderr
    assert not (tmp_path / ".tendon").exists()
