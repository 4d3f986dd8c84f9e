"""A trial: people, services and nemeses at work for a while, then all is put right, and what there is then is read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

from tests.torture.history import OK, History
from tests.torture.life.nemeses import Deeds, Nemesis, torment
from tests.torture.life.people import Person, live
from tests.torture.life.reading import read
from tests.torture.life.record import Act, Record
from tests.torture.life.world import ACCESS_LIFE, World

# Seconds within which the last token is issued, and the last revocation delivered, once the faults are over. A piece
# of work whose worker was killed is started again after half a minute.
_ISSUING = 60.0
_DELIVERING = 120.0
# Seconds after which a trial ends, whatever it has not seen.
_AT_MOST = 90.0


@dataclass(frozen=True, slots=True)
class Plan:
    """`seconds` of torment for `people`, and more until `enough` has happened; `calm` is without nemeses, and without
    `workers_die` they leave the workers alone."""

    seed: str
    seconds: float = 8
    people: int = 9
    calm: bool = False
    workers_die: bool = True
    enough: Callable[[Record], object] = lambda _: True


async def run(world: World, plan: Plan) -> Record:
    history, acts, over, slugs = History(), list[Act](), asyncio.Event(), world.provider.slugs
    for slug in slugs:
        await world.sandbox.settings(slug, access_life=ACCESS_LIFE)
    people = [
        Person(
            f"person-{number}",
            slugs[number % len(slugs)],
            world,
            history,
            acts,
            random.Random(f"{plan.seed} {number}"),
        )
        for number in range(plan.people)
    ]
    torments = asyncio.gather(*([] if plan.calm else _torments(world, people, history, plan, over)))
    try:
        await asyncio.gather(*(live(person, over) for person in people), _end(over, world, history, acts, plan))
    finally:
        over.set()
        await torments
    await world.control("DELETE", "faults")
    settled = history.now()
    await asyncio.gather(*(_settle(person) for person in people))
    await _all_delivered(world, history)
    return await read(world, history, acts, settled)


def _torments(
    world: World, people: Sequence[Person], history: History, plan: Plan, over: asyncio.Event
) -> list[Coroutine[None, None, None]]:
    def nemesis(name: str) -> tuple[Nemesis, random.Random]:
        chance = random.Random(f"{plan.seed} {name}")
        return Nemesis(world, people, history, chance), chance

    killer, often = nemesis("kills")
    provider, always = nemesis("provider")
    # Only one of them kills, so that nobody starts what another one has just killed.
    kills: Deeds = {
        killer.kill_a_gateway: 3,
        killer.kill_a_refresh: 3,
        killer.kill_a_worker: int(plan.workers_die),
        killer.kill_a_worker_that_refreshes: int(plan.workers_die),
    }
    faults: Deeds = {provider.misanswer: 6, provider.close_revocation: 1}
    user, now_and_then = nemesis("users")
    return [
        torment(kills, (0.2, 1), over, often),
        torment(faults, (0.2, 0.8), over, always),
        torment({user.end_in_mid_refresh: 1}, (0.2, 1), over, now_and_then),
    ]


async def _end(over: asyncio.Event, world: World, history: History, acts: list[Act], plan: Plan) -> None:
    await asyncio.sleep(plan.seconds)
    while not over.is_set():
        if history.now() >= _AT_MOST or plan.enough(await read(world, history, acts)):
            over.set()
        await asyncio.sleep(0.2)


async def _settle(person: Person) -> None:
    """A third ends the connection for good. The others use it until they hear how it is."""
    if person.connection is None:
        return
    if person.chance.random() < 1 / 3:
        await person.disconnect()
        return
    last = person.history.now() + _ISSUING
    answer = await person.issue()
    while answer.outcome not in (OK, "REAUTHORIZATION_REQUIRED") and person.history.now() < last:
        await asyncio.sleep(0.5)
        answer = await person.issue()


async def _all_delivered(world: World, history: History) -> None:
    last = history.now() + _DELIVERING
    while world.workers and history.now() < last:
        rows = await world.database.rows("revocation")
        if all(row["status"] != "pending" for row in rows):
            return
        await asyncio.sleep(0.5)
