"""Runs tests on both event loops, asyncio's and uvloop, and checks that they leave nothing open."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ParamSpec

import pytest
import uvloop

P = ParamSpec("P")


class Clock(asyncio.SelectorEventLoop):
    """The standard loop, with a clock that can be set forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


LOOPS = {"asyncio": Clock, "uvloop": uvloop.new_event_loop}


def on_both_loops(test: Callable[P, Awaitable[None]]) -> Callable[..., None]:
    """Checks that the test left no socket open and no exception unhandled."""

    def run(loop: str, *args: P.args, **kwargs: P.kwargs) -> None:
        before = _sockets()
        unheard: list[dict[str, Any]] = []

        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
            async with asyncio.timeout(60):
                await test(*args, **kwargs)

        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(main())
        gc.collect()
        assert unheard == []
        assert _sockets() <= before

    signature = inspect.signature(test)
    loop = inspect.Parameter("loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = signature.replace(parameters=[loop, *signature.parameters.values()])  # type: ignore[attr-defined]
    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    return pytest.mark.parametrize("loop", LOOPS)(run)


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.005)


def _sockets() -> set[str]:
    found: set[str] = set()
    for descriptor in Path("/proc/self/fd").glob("*"):
        # The listing has one of its own, which is gone by now.
        with contextlib.suppress(FileNotFoundError):
            found.add(str(descriptor.readlink()))
    return {name for name in found if name.startswith("socket:")}
