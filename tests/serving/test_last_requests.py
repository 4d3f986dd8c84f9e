"""The shutdown of a process: every request sent before its listener closed gets an answer."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter

import pytest

from tests.processes import Process
from tests.serving.conftest import Serve
from tests.serving.serving import Line, Lines, becomes, draining, readiness, request, serving
from tests.waiting import until

ASKED = request("GET", "/openapi.json")


async def ask(process: Process) -> str:
    """The outcome of a connection with one request: its status, `lost`, or `refused` without a listener. If the kernel
    closed the listener while the connection was made, it was `reset` before anything was sent."""
    try:
        line = Line(*await asyncio.open_connection("127.0.0.1", process.port))
    except ConnectionRefusedError:
        return "refused"
    except ConnectionResetError:
        return "reset"
    try:
        await line.send(ASKED)
        return str((await line.answer())[0])
    except (ConnectionError, asyncio.IncompleteReadError):
        return "lost"
    finally:
        await line.close()


@pytest.mark.parametrize("count", [1, 2], ids=["one", "workers"])
async def test_no_request_is_lost_while_a_process_stops(serve: Serve, count: int) -> None:
    """A stream of new connections by clients that ignore readiness: served, answered with 503, and finally refused by
    the kernel, so that a load balancer may send the request elsewhere."""
    process = serve(count)
    await serving(process, count)
    seen: Counter[str] = Counter()

    async def keep_asking() -> None:
        while not seen["refused"]:
            seen[await ask(process)] += 1

    askers = [asyncio.create_task(keep_asking()) for _ in range(8)]
    await until(lambda: seen["200"] > len(askers), "responses")
    process.tell(signal.SIGTERM)
    await draining(process, count)
    await asyncio.gather(*askers)
    assert process.wait() == 0
    assert seen["200"] > 0
    assert seen["503"] > 0
    assert seen["lost"] == 0


async def test_requests_that_had_arrived_are_served(serve: Serve, lines: Lines) -> None:
    """On accepted connections, and on those still in the accept queue, of a process that was stopped."""
    process = serve()
    kept = await lines.to(process)
    await kept.send(ASKED)
    assert (await kept.answer())[0] == 200
    process.tell(signal.SIGSTOP)
    waiting = [kept, *[await lines.to(process) for _ in range(8)]]
    for line in waiting:
        await line.send(ASKED)
    process.tell(signal.SIGTERM)
    process.tell(signal.SIGCONT)
    assert [(await line.answer())[0] for line in waiting] == [200] * len(waiting)
    assert process.wait() == 0


async def test_the_process_waits_until_the_next_probe(serve: Serve) -> None:
    """A load balancer probes every two seconds, and its requests are answered until its next probe."""
    process = serve()
    await becomes(process.origin)
    for _ in range(2):
        await asyncio.sleep(1.5)
        assert await readiness(process.origin) == (200, [])
    process.tell(signal.SIGTERM)
    # Longer than a process lingers that nobody probes.
    await asyncio.sleep(1)
    assert await ask(process) == "503"
    assert await readiness(process.origin) == (503, ["draining"])
    began = time.monotonic()
    assert process.wait() == 0
    assert time.monotonic() - began < 10


async def test_a_process_without_probes_stops_at_once(serve: Serve) -> None:
    process = serve()
    began = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - began < 8
    assert len(process.logged("stopped")) == 1


async def test_a_new_connection_may_still_send_its_request(serve: Serve, lines: Lines) -> None:
    """The connection is opened just before the listener is closed, and its request arrives after that."""
    process = serve()
    line = await lines.to(process)
    process.tell(signal.SIGTERM)
    await until(lambda: bool(process.logged("stopping")), "the listener is closed")
    await line.send(ASKED)
    assert (await line.answer())[0] == 503
    assert process.wait() == 0
