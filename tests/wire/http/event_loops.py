"""The event loops of these tests: asyncio's and uvloop, on both of which a test leaves nothing open, and a loop whose
clock leaps."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import pytest
import uvloop

P = ParamSpec("P")

# Real seconds without anything to do after which the clock leaps. What a test sends itself has arrived by then.
_PATIENCE = 0.02


class _LeapingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(_PATIENCE)
        if not ready:
            self.now += timeout
        return ready


class LeapingClock(asyncio.SelectorEventLoop):
    """The standard loop, with a clock that stands still while there is anything to do and then leaps to the next timer.

    By this clock all that waits takes exactly as long as it says, on any machine, and in fact takes hardly any time.
    Both sides of a connection must be in this loop, and nothing may be in a thread.
    """

    def __init__(self) -> None:
        self._leaping = _LeapingSelector()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now

    def let_pass(self, seconds: float) -> None:
        """As while a task works without a pause, or while the process is suspended."""
        self._leaping.now += seconds


LOOPS = {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


def on_both_loops(test: Callable[P, Awaitable[None]]) -> Callable[..., None]:
    """Checks that the test left no socket open and no exception unhandled."""

    def run(loop: str, *args: P.args, **kwargs: P.kwargs) -> None:
        before = open_sockets()
        unheard: list[dict[str, Any]] = []

        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
            async with asyncio.timeout(60):
                await test(*args, **kwargs)

        with _collecting(), asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(main())
        assert unheard == []
        assert open_sockets() <= before

    signature = inspect.signature(test)
    loop = inspect.Parameter("loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = signature.replace(parameters=[loop, *signature.parameters.values()])  # type: ignore[attr-defined]
    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    return pytest.mark.parametrize("loop", LOOPS)(run)


def on_a_leaping_clock(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Runs the test in a loop whose clock leaps."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=LeapingClock) as runner:
            runner.run(test(*args, **kwargs))

    # The runner of asynchronous tests must not take it for one of its own.
    del run.__wrapped__  # type: ignore[attr-defined]
    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]
    return run


def let_pass(seconds: float) -> None:
    """In a test on a leaping clock."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LeapingClock)
    loop.let_pass(seconds)


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition that is bound to come true; the time-out of the test ends the wait if it doesn't."""
    while not condition():  # noqa: ASYNC110 - not everything has an event
        await asyncio.sleep(0.001)


@contextlib.contextmanager
def no_collection() -> Generator[None]:
    """Nothing that becomes garbage in the block is collected, and `gc.get_objects()` returns no older objects."""
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()


@contextlib.contextmanager
def _collecting() -> Generator[None]:
    """Collects the garbage of the block, which may hold sockets and unhandled exceptions, and only that: all other
    objects of a test run are many."""
    gc.freeze()
    try:
        yield
        gc.collect()
    finally:
        gc.unfreeze()


def open_sockets() -> set[str]:
    """Those of this process."""
    found: set[str] = set()
    for descriptor in Path("/proc/self/fd").glob("*"):
        # The listing has one of its own, which is gone by now.
        with contextlib.suppress(FileNotFoundError):
            found.add(str(descriptor.readlink()))
    return {name for name in found if name.startswith("socket:")}
