"""Several workers under one parent: they share the load and the database, are replaced, and end without the parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import httpx

from tests.conftest import Exchanges, Person, begin
from tests.databases import Database
from tests.interfaces import GraphQL, Rest
from tests.processes import Process, tendon
from tests.sandbox_control import Sandbox
from tests.serving.conftest import Serve
from tests.serving.serving import draining, get, is_gone, refuses, serving, workers
from tests.waiting import until


async def test_fifty_equal_callbacks_over_four_workers(
    serve: Serve, sandbox: Sandbox, someone: Person, own_database: Database
) -> None:
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


def _answering(process: Process) -> set[int]:
    return {line["worker"] for line in process.logged("request")}


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


async def test_no_connection_is_left_to_a_worker_that_died(serve: Serve) -> None:
    """Its socket is closed in the other worker, too, which was forked while it was open."""
    process = serve(2)
    await serving(process, 2)
    os.kill(workers(process)[0], signal.SIGKILL)
    await serving(process, 3)
    assert {(await get(process.origin, "/livez")).status_code for _ in range(24)} == {200}
    assert process.stop() == 0


async def test_a_worker_that_gets_a_signal_drains_and_is_replaced(
    serve: Serve, exchanges: Exchanges, someone: Person
) -> None:
    process = serve(2)
    await serving(process, 2)
    begun = await exchanges.begin(process, someone)
    for pid in workers(process):
        os.kill(pid, signal.SIGTERM)
    await draining(process, 2)
    exchanges.end()
    assert await begun == "connected"
    await serving(process, 4)
    assert [line["status"] for line in process.logged("worker.ended")] == [0, 0]
    assert process.stop() == 0


async def test_workers_drain_when_their_parent_dies(serve: Serve, exchanges: Exchanges, someone: Person) -> None:
    process = serve(3)
    await serving(process, 3)
    begun = await exchanges.begin(process, someone)
    process.kill()
    await draining(process, 3)
    exchanges.end()
    assert await begun == "connected"
    await until(lambda: all(is_gone(pid) for pid in workers(process)), "the workers are gone")
    assert refuses(process.port)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", process.port))


def test_the_mounted_sandbox_has_one_process(tmp_path: Path) -> None:
    run = tendon("serve", "--workers", "2", cwd=tmp_path, settings={"TENDON_AUTH": "dev"})
    assert (run.returncode, run.stdout) == (2, "")
    assert "TENDON_SANDBOX=0" in run.stderr
    assert not (tmp_path / ".tendon").exists()
