"""SIGHUP: the parent restarts its workers one by one and loses no request, and a single process drains."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.conftest import Exchanges, Person
from tests.processes import Process, free_port
from tests.proxy import Proxy
from tests.sandbox_control import Sandbox
from tests.serving.conftest import Serve
from tests.serving.program import Program
from tests.serving.serving import Lines, draining, get, is_gone, refuses, request, serving, workers
from tests.serving.test_last_requests import ask
from tests.waiting import until

ASKED = request("GET", "/openapi.json")
# The lifespan of a program whose workers fail, or never serve, while this file exists.
FAILS = 'assert not (folder / "broken").exists()'
HANGS = 'while (folder / "broken").exists(): await asyncio.sleep(0.05)'


async def restarted(process: Process, times: int = 1) -> None:
    await until(lambda: len(process.logged("workers.restarted")) >= times, f"{times} restarts")


async def test_no_request_is_lost_while_workers_are_restarted(serve: Serve, lines: Lines) -> None:
    """On new connections, on those that clients keep, and on one that was idle meanwhile."""
    process = serve(2)
    await serving(process, 2)
    before = workers(process)
    seen: Counter[str] = Counter()
    over = asyncio.Event()

    async def connect_anew() -> None:
        while not over.is_set():
            seen[await ask(process)] += 1

    async def keep_the_connection() -> None:
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=60) as client:
            while not over.is_set():
                seen[str((await client.get(f"{process.origin}/openapi.json")).status_code)] += 1

    idle = await lines.to(process)
    await idle.send(ASKED)
    assert (await idle.answer())[1].get("connection") is None
    clients = [asyncio.create_task(client()) for client in (connect_anew, keep_the_connection) for _ in range(3)]
    await until(lambda: seen["200"] > len(clients), "responses")
    process.tell(signal.SIGHUP)
    await until(lambda: bool(process.logged("worker.replaced")), "a worker was replaced")
    await idle.send(ASKED)
    assert (await idle.answer())[0] == 200
    await idle.close()
    await restarted(process)
    over.set()
    await asyncio.gather(*clients)
    assert set(seen) == {"200"}
    assert all(is_gone(pid) for pid in before)
    assert len(workers(process)) == 4
    assert not any(is_gone(pid) for pid in workers(process)[2:])
    assert process.stop() == 0


async def test_a_kept_connection_is_told_to_close(serve: Serve, lines: Lines) -> None:
    process = serve(2)
    await serving(process, 2)
    kept = [await lines.to(process) for _ in range(8)]
    for line in kept:
        await line.send(ASKED)
        assert (await line.answer())[0] == 200
    process.tell(signal.SIGHUP)
    for count in (1, 2):
        await until(lambda count=count: len(process.logged("worker.replaced")) == count, "replaced")
        # Those of the worker that was replaced are closed after this answer.
        for line in list(kept):
            await line.send(ASKED)
            status, headers, _ = await line.answer()
            assert status == 200
            if headers.get("connection") == "close":
                assert await line.ended()
                kept.remove(line)
    assert kept == []
    await restarted(process)
    assert process.stop() == 0


async def test_a_request_in_progress_is_the_last_on_its_connection(serve: Serve, lines: Lines) -> None:
    process = serve(2)
    await serving(process, 2)
    asked = request("POST", "/graphql", b'{"query": "{ providers { slug } }"}')
    kept = [await lines.to(process) for _ in range(8)]
    for line in kept:
        await line.send(asked[:-1])
    await get(process.origin, "/livez")
    process.tell(signal.SIGHUP)
    for count in (1, 2):
        await until(lambda count=count: len(process.logged("worker.replaced")) == count, "replaced")
        for line in list(kept):
            await line.send(asked[-1:])
            status, headers, _ = await line.answer()
            assert status == 200
            if headers.get("connection") == "close":
                kept.remove(line)
            else:
                await line.send(asked[:-1])
    assert kept == []
    await restarted(process)
    assert process.stop() == 0


async def test_an_idle_connection_is_closed_after_a_while(tmp_path: Path, lines: Lines) -> None:
    program = Program(tmp_path, free_port(), 2, hand_over=0.2)
    await until(lambda: len(program.logged("listening")) == 2, "listening")
    idle = [await lines.to(program) for _ in range(8)]
    program.tell(signal.SIGHUP)
    for line in idle:
        assert await line.ended()
    await until(lambda: "workers.restarted" in program.said, "restarted")
    program.tell()
    assert await asyncio.to_thread(program.wait) == 0


async def test_an_exchange_is_finished_by_the_worker_that_began_it(
    serve: Serve, sandbox: Sandbox, provider: Proxy, someone: Person
) -> None:
    process = serve(2)
    await serving(process, 2)
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=60) as client:
        exchanges = Exchanges(sandbox, client, provider)
        begun = await exchanges.begin(process, someone)
        process.tell(signal.SIGHUP)
        await until(lambda: bool(process.logged("worker.replaced")), "a worker was replaced")
        assert (await get(process.origin, "/readyz")).status_code == 200
        assert not begun.done()
        exchanges.end()
        assert await begun == "connected"
    await restarted(process)
    assert [line["status"] for line in process.logged("worker.ended")] == [0, 0]
    assert process.stop() == 0


async def test_connections_that_an_old_worker_has_not_accepted_are_served(serve: Serve, lines: Lines) -> None:
    process = serve(2)
    await serving(process, 2)
    first, second = workers(process)
    for pid in (first, second):
        os.kill(pid, signal.SIGSTOP)
    waiting = [await lines.to(process) for _ in range(16)]
    for line in waiting:
        await line.send(ASKED)
    process.tell(signal.SIGHUP)
    await until(lambda: len(process.logged("worker.replaced")) == 1, "the first is replaced")
    os.kill(first, signal.SIGCONT)
    await until(lambda: len(process.logged("worker.replaced")) == 2, "the second is replaced")
    # It accepts nothing itself: the one that replaced it does.
    assert [(await line.answer())[0] for line in waiting] == [200] * len(waiting)
    os.kill(second, signal.SIGCONT)
    await restarted(process)
    assert process.stop() == 0


async def test_several_signals_during_a_restart_cause_one_more(serve: Serve) -> None:
    process = serve(2)
    await serving(process, 2)
    process.tell(signal.SIGHUP)
    await until(lambda: bool(process.logged("workers.restarting")), "a restart")
    for _ in range(3):
        process.tell(signal.SIGHUP)
        await asyncio.sleep(0.02)
    await restarted(process, 2)
    await asyncio.sleep(0.3)
    assert len(process.logged("workers.restarting")) == 2
    assert len(workers(process)) == 6
    assert process.stop() == 0


@pytest.mark.parametrize("moment", ["workers.restarting", "worker.replaced"])
async def test_a_stop_during_a_restart(serve: Serve, exchanges: Exchanges, someone: Person, moment: str) -> None:
    process = serve(2)
    await serving(process, 2)
    begun = await exchanges.begin(process, someone)
    process.tell(signal.SIGHUP)
    await until(lambda: bool(process.logged(moment)), moment)
    process.tell(signal.SIGTERM)
    await draining(process, 1)
    exchanges.end()
    assert await begun == "connected"
    assert process.wait() == 0
    assert [pid for pid in workers(process) if not is_gone(pid)] == []
    assert refuses(process.port)


async def test_a_worker_that_dies_during_a_restart_is_replaced(serve: Serve) -> None:
    process = serve(3)
    await serving(process, 3)
    old = workers(process)
    # The restart waits for it.
    os.kill(old[0], signal.SIGSTOP)
    process.tell(signal.SIGHUP)
    await until(lambda: bool(process.logged("worker.replaced")), "a worker was replaced")
    os.kill(old[2], signal.SIGKILL)
    await serving(process, 5)
    os.kill(old[0], signal.SIGCONT)
    await restarted(process)
    assert len([pid for pid in workers(process) if not is_gone(pid)]) == 3
    assert len(workers(process)) == 6
    assert process.stop() == 0


async def test_an_old_worker_that_dies_before_it_is_replaced(tmp_path: Path) -> None:
    program = Program(tmp_path, free_port(), 2, opening=HANGS)
    await until(lambda: len(program.logged("listening")) == 2, "listening")
    (tmp_path / "broken").touch()
    program.tell(signal.SIGHUP)
    await until(lambda: bool(replaced(program)), "a replacement is starting")
    os.kill(replaced(program)[0], signal.SIGKILL)
    await until(lambda: "worker.ended" in program.said, "it has ended")
    (tmp_path / "broken").unlink()
    for times in (1, 2):
        await until(lambda times=times: program.said.count("workers.restarted") == times, "restarted")
        assert program.said.count("worker.started") == 2 + 2 * times
        # Its sockets are those of the worker that replaced it, and of the next one.
        assert listeners(program.port) == 2
        if times == 1:
            program.tell(signal.SIGHUP)
    program.tell()
    assert await asyncio.to_thread(program.wait) == 0


def replaced(program: Program) -> list[int]:
    """The workers for which a replacement has been started."""
    return [line["replaces"] for line in program.logged("worker.started") if "replaces" in line]


def listeners(port: int) -> int:
    """How many sockets listen there."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()
    return sum(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines[1:])


async def test_another_worker_that_dies_while_a_new_one_starts(tmp_path: Path) -> None:
    program = Program(tmp_path, free_port(), 2, opening=HANGS)
    await until(lambda: len(program.logged("listening")) == 2, "listening")
    old = {line["pid"] for line in program.logged("worker.started")}
    (tmp_path / "broken").touch()
    program.tell(signal.SIGHUP)
    await until(lambda: bool(replaced(program)), "a replacement is starting")
    [other] = old - set(replaced(program))
    os.kill(other, signal.SIGKILL)
    await until(lambda: program.said.count("worker.started") == 4, "it is replaced meanwhile")
    assert "worker.replaced" not in program.said
    (tmp_path / "broken").unlink()
    await until(lambda: "workers.restarted" in program.said, "restarted")
    assert program.said.count("worker.started") == 4
    program.tell()
    assert await asyncio.to_thread(program.wait) == 0


async def test_the_parent_dies_during_a_restart(serve: Serve) -> None:
    process = serve(2)
    await serving(process, 2)
    process.tell(signal.SIGHUP)
    await until(lambda: len(workers(process)) == 3, "a replacement")
    process.kill()
    await until(lambda: all(is_gone(pid) for pid in workers(process)), "the workers are gone")
    assert refuses(process.port)


async def test_a_worker_ignores_the_signal(serve: Serve) -> None:
    """A terminal that is closed sends it to all processes."""
    process = serve(2)
    await serving(process, 2)
    for pid in workers(process):
        os.kill(pid, signal.SIGHUP)
    assert process.stop() == 0
    assert [line["status"] for line in process.logged("worker.ended")] == [0, 0]
    assert len(workers(process)) == 2


@pytest.mark.parametrize(
    ("opening", "reason"), [(FAILS, "the new worker has ended"), (HANGS, "the new worker was not ready in time")]
)
async def test_the_old_workers_stay_if_a_new_one_fails(tmp_path: Path, opening: str, reason: str) -> None:
    program = Program(tmp_path, free_port(), 2, opening=opening, ready_within=0.5 if opening == HANGS else 30)
    await until(lambda: len(program.logged("listening")) == 2, "listening")
    old = [line["pid"] for line in program.logged("worker.started")]
    (tmp_path / "broken").touch()
    for times in (1, 2):
        program.tell(signal.SIGHUP)
        await until(lambda times=times: program.said.count(reason) == times, reason)
    assert not any(is_gone(pid) for pid in old)
    (tmp_path / "broken").unlink()
    program.tell(signal.SIGHUP)
    await until(lambda: "workers.restarted" in program.said, "restarted")
    assert all(is_gone(pid) for pid in old)
    program.tell()
    assert await asyncio.to_thread(program.wait) == 0


@pytest.mark.parametrize("count", [1, 2], ids=["one", "workers"])
async def test_an_ignored_signal_stays_ignored(tmp_path: Path, count: int) -> None:
    """As after `nohup`."""
    ignored = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    program = Program(tmp_path, free_port(), count, before=ignored)
    await until(lambda: len(program.logged("listening")) == count, "listening")
    program.tell(signal.SIGHUP)
    program.tell()
    assert await asyncio.to_thread(program.wait) == 0
    assert program.said.count("worker.started") == (0 if count == 1 else count)


async def test_a_single_process_drains(serve: Serve, exchanges: Exchanges, someone: Person) -> None:
    """A second one does not end it: closing a terminal may send several."""
    process = serve()
    await serving(process, 1)
    begun = await exchanges.begin(process, someone)
    process.tell(signal.SIGHUP)
    await draining(process, 1)
    # Nor does the signal to stop that comes after them, which is the first of its kind.
    for number in (signal.SIGHUP, signal.SIGTERM):
        process.tell(number)
    exchanges.end()
    assert await begun == "connected"
    assert process.wait() == 0


@pytest.mark.parametrize(("count", "moment"), [(1, "started"), (2, "worker.started")])
async def test_the_signal_during_the_start(serve: Serve, count: int, moment: str) -> None:
    process = serve(count, awaited=False)
    await until(lambda: bool(process.logged(moment)), moment)
    process.tell(signal.SIGHUP)
    if count > 1:
        await restarted(process)
        process.tell(signal.SIGTERM)
    assert process.wait() == 0
