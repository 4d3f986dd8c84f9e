"""The grace period: requests that do not finish in time are aborted, and slow bodies do not use it up."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import Person
from tests.interfaces import bearer
from tests.processes import free_port
from tests.serving.conftest import Serve
from tests.serving.program import Program
from tests.serving.serving import Line, Lines, get, request
from tests.waiting import until

ONE_OR_SEVERAL = pytest.mark.parametrize("workers", [1, 2], ids=["one", "workers"])


@ONE_OR_SEVERAL
@pytest.mark.parametrize(("endless", "status"), [(False, 0), (True, 1)])
async def test_the_exit_status_says_whether_requests_were_aborted(
    tmp_path: Path, workers: int, endless: bool, status: int
) -> None:
    program = Program(tmp_path, free_port(), workers, grace=0.5 if endless else 30, endless=endless)
    await until(lambda: len(program.logged("listening")) == workers, "listening")
    program.tell()
    assert await asyncio.to_thread(program.wait) == status
    assert program.said.count("cut.off") == (workers if endless else 0)


PATHS = ("/v1/connections/callback", "/graphql")


@ONE_OR_SEVERAL
async def test_a_slow_body_does_not_delay_the_stop(serve: Serve, someone: Person, lines: Lines, workers: int) -> None:
    """It began before the stop, and could take half a minute."""
    process = serve(workers)
    slow = {path: await lines.to(process) for path in PATHS}
    for path, line in slow.items():
        await line.send(request("POST", path, b"{}" + b" " * 30_000, **bearer(someone.token))[:-10])
    assert (await get(process.origin, "/livez")).status_code == 200
    began = time.monotonic()
    process.tell(signal.SIGTERM)
    await asyncio.gather(*(_turned_away(line, path, began) for path, line in slow.items()))
    assert process.wait() == 0


async def _turned_away(line: Line, path: str, began: float) -> None:
    status, headers, body = await line.answer()
    # New requests are rejected sooner, and without a stop, a body may take half a minute.
    assert 2 < time.monotonic() - began < 20
    assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
    assert ("errors" in json.loads(body)) == (path == "/graphql")
    assert await line.ended()
