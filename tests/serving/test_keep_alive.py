"""How long an idle connection is kept open."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.server import KEEP_ALIVE
from gateway.settings import Settings
from tests.serving.conftest import Serve
from tests.serving.serving import Line, Lines, request, serving
from tests.waiting import PATIENCE
from wire.tables import defaults

ASKED = request("GET", "/livez")


async def test_an_idle_connection_is_kept(serve: Serve, lines: Lines) -> None:
    """For longer than uvicorn's default, and by default for longer than load balancers keep theirs."""
    assert defaults(Settings)["keep_alive"] == KEEP_ALIVE > 60
    kept: list[Line] = []
    for count in (1, 2):
        process = serve(count)
        await serving(process, count)
        kept.append(await lines.to(process))
        await kept[-1].send(ASKED)
        assert (await kept[-1].answer())[0] == 200
    await asyncio.sleep(5.5)
    for line in kept:
        await line.send(ASKED)
        assert (await line.answer())[0] == 200


@pytest.mark.parametrize("count", [1, 2], ids=["one", "workers"])
async def test_the_time_can_be_set(serve: Serve, lines: Lines, count: int) -> None:
    """The default is longer than `ended` waits."""
    assert KEEP_ALIVE > PATIENCE
    process = serve(count, TENDON_KEEP_ALIVE="1")
    await serving(process, count)
    line = await lines.to(process)
    await line.send(ASKED)
    assert (await line.answer())[0] == 200
    began = time.monotonic()
    assert await line.ended()
    assert time.monotonic() - began > 0.8
