"""How long revocations are remembered."""

from __future__ import annotations

from datetime import timedelta

import pytest

from resolvers.ending.forgetting import due, forget
from tests.resolvers.ending.endings import deliver_due, ended, revocations
from tests.resolvers.world import World

DAY = timedelta(days=1)


async def age(world: World, days: float) -> None:
    """Make all revocations so much older. Their ids say how old they are."""
    for (id_,) in await revocations(world, "id"):
        older = int(id_[:8] + id_[9:13], 16) - int(days * DAY.total_seconds() * 1000)
        text = f"{older:012x}"
        changed = f"{text[:8]}-{text[8:]}{id_[13:]}"
        await world.outside.fetch("UPDATE revocation SET id = $1 WHERE id = $2", changed, id_)


async def test_one_that_ended_is_forgotten_three_weeks_after_it_was_made(world: World) -> None:
    await ended(world, "alice", "ends-token")
    await deliver_due(world)
    context = world.context(None)
    for days in (20.9, 0.2):
        assert await due(context, 10) == []
        await forget(context)
        assert await revocations(world) == [("delivered", 1)]
        await age(world, days)
    (work,) = await due(context, 10)
    await forget(context, work.id)
    assert await revocations(world) == []
    assert await due(context, 10) == []


async def test_a_pending_one_is_never_forgotten(world: World) -> None:
    await ended(world, "alice", "ends-token")
    await age(world, 1000)
    context = world.context(None)
    assert await due(context, 10) == []
    await forget(context)
    assert await revocations(world) == [("pending", 0)]


@pytest.mark.parametrize(("retention", "days", "is_kept"), [(30, 43, True), (30, 45, False), (0.01, 20, True)])
async def test_a_longer_retention_keeps_it_longer(
    any_world: World, retention: float, days: int, *, is_kept: bool
) -> None:
    await ended(any_world, "alice", "acme")
    await age(any_world, days)
    await forget(any_world.context(None, retention=timedelta(days=retention)))
    assert bool(await revocations(any_world)) is is_kept
