"""The nemeses: what is done to processes, their clocks and the provider. Each puts right again what it did.

Those of the database are in `database_faults.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from sandbox.faults import FAULTS
from tests.torture import clocks
from tests.torture.databases import Sqlite
from tests.torture.history import History
from tests.torture.world import PROVIDERS, World

Nemesis = Callable[[World, History, random.Random], Awaitable[None]]
Nemeses = dict[Nemesis, int]
"""How often each comes, compared with the others."""

# These take the machine's strength and show nothing here that the others don't.
_COSTLY = {"huge", "gzip_bomb", "big_headers", "deep_json"}
# These wait for a script, or need a row of the entry.
_SCRIPTED = {"held", "held_answer", "entry_error"}
# The right answer, or one that is as good: after these a connection is made.
_GENTLE = ["slow", "slow", "slow", "late", "narrow_scope", "no_refresh"]
_RUDE = sorted(FAULTS.keys() - _COSTLY - _SCRIPTED - set(_GENTLE))

# Seconds by which a clock is wrong.
_STEPS = (-2, 2)
_DIFFERENCES = (-300, -60, 60, 300)


async def kill(world: World, history: History, chance: random.Random) -> None:
    """kill -9 a moment after a callback came, so that it dies in the claim, the exchange or the writing."""
    gateway = chance.choice(world.gateways)
    gateway.called.clear()
    with suppress(TimeoutError):
        await asyncio.wait_for(gateway.called.wait(), 1)
    await asyncio.sleep(chance.uniform(0, 0.12))
    with history.disturbance("kill -9 of", gateway.name):
        await asyncio.to_thread(gateway.kill)
        await asyncio.sleep(chance.uniform(0, 0.2))
        await asyncio.to_thread(gateway.revive, _ahead(world, chance))


def _ahead(world: World, chance: random.Random) -> int:
    """Every third clock is wrong from now on. Machines that share a database may differ by minutes, processes that
    share a file only by as much as their one clock was set."""
    if clocks.library() is None or chance.random() > 1 / 3:
        return 0
    return chance.choice(_STEPS if isinstance(world.database, Sqlite) else _DIFFERENCES)


async def freeze(world: World, history: History, chance: random.Random) -> None:
    """SIGSTOP a moment after a callback came, sometimes for longer than a lease."""
    gateway = chance.choice(world.gateways)
    gateway.called.clear()
    with suppress(TimeoutError):
        await asyncio.wait_for(gateway.called.wait(), 1)
    await asyncio.sleep(chance.uniform(0, 0.12))
    with history.disturbance("SIGSTOP of", gateway.name):
        gateway.freeze()
        try:
            await asyncio.sleep(chance.choice((0.3, 1, 2.5, 8)))
        finally:
            gateway.thaw()


async def misanswer(world: World, history: History, chance: random.Random) -> None:
    """The next token request meets a fault. The sandbox's log says which one did, so it is no disturbance by itself."""
    fault = chance.choice(_RUDE if chance.random() < 0.35 else _GENTLE)
    seconds = chance.uniform(0.05, 1) if fault in ("slow", "late") else None
    await world.sandbox.fault(chance.choice(PROVIDERS), fault, seconds=seconds)
    await asyncio.sleep(chance.uniform(0.02, 0.2))


async def refuse(world: World, history: History, chance: random.Random) -> None:
    """Nobody listens where the token endpoint was."""
    with history.disturbance("provider refuses connections"):
        await world.line.refuse()
        world.line.cut()
        await asyncio.sleep(chance.uniform(0.1, 1))
        await world.line.open()


async def silence(world: World, history: History, chance: random.Random) -> None:
    """The provider takes connections and says nothing."""
    with history.disturbance("provider is silent"):
        world.line.stall()
        try:
            await asyncio.sleep(chance.choice((0.3, 1, 2.5)))
        finally:
            world.line.flow()


async def cut_provider(world: World, history: History, _chance: random.Random) -> None:
    with history.disturbance("provider's connections are cut"):
        world.line.cut()


def of_kills() -> Nemeses:
    return {kill: 1}


def of_stops() -> Nemeses:
    return {freeze: 1}


def of_provider() -> Nemeses:
    return {misanswer: 12, refuse: 1, silence: 1, cut_provider: 1}


async def torment(
    nemeses: Nemeses,
    pauses: tuple[float, float],
    over: asyncio.Event,
    *,
    world: World,
    history: History,
    chance: random.Random,
) -> None:
    """One after the other, with `pauses` in between of so many seconds, until it is over."""
    while not over.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), chance.uniform(*pauses))
        if not over.is_set():
            [nemesis] = chance.choices(list(nemeses), list(nemeses.values()))
            await nemesis(world, history, chance)
