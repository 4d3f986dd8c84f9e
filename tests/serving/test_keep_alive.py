"""How long an idle connection is kept open."""

from __future__ import annotations

import asyncio
import time

from gateway.server import KEEP_ALIVE
from gateway.settings import Settings
from tests.serving.conftest import Serve
from tests.serving.serving import Lines, request, serving

ASKED = request("GET", "/livez")


async def test_an_idle_connection_is_kept(serve: Serve, lines: Lines) -> None:
    """For longer than uvicorn's default, and by default for longer than load balancers keep theirs."""
    assert Settings.model_fields["keep_alive"].default == KEEP_ALIVE > 60
    for count in (1, 2):
        process = serve(count)
        await serving(process, count)
        line = await lines.to(process)
        for _ in range(2):
            await line.send(ASKED)
            assert (await line.answer())[0] == 200
            await asyncio.sleep(5.5)


async def test_the_time_can_be_set(serve: Serve, lines: Lines) -> None:
    line = await lines.to(serve(TENDON_KEEP_ALIVE="1"))
    await line.send(ASKED)
    assert (await line.answer())[0] == 200
    began = time.monotonic()
    assert await line.ended()
    assert 0.8 < time.monotonic() - began < 4
