"""A trial: people and nemeses at work for a while, then all is put right, every callback is sent once more, and what
there is then is read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.torture import faults
from tests.torture.database_faults import of_database
from tests.torture.faults import Nemeses
from tests.torture.history import Flow, History
from tests.torture.operations import Person
from tests.torture.reading import read, read_so_far
from tests.torture.record import Record
from tests.torture.stories import live
from tests.torture.world import LEASE, World

_AT_ONCE = 12
# A provider that failed often is left alone for a while, so "later" may be heard for longer than a lease.
_LATER = 40
# Seconds after which a trial ends, whatever it has not seen.
_AT_MOST = 60


@dataclass(frozen=True, slots=True)
class Plan:
    """`seconds` of torment for `people`, and more until `enough` has happened; `calm` is without nemeses. `name` keeps
    the users of one trial apart from those of the next."""

    seed: str
    name: str = "first"
    seconds: float = 8
    people: int = 10
    calm: bool = False
    enough: Callable[[Record], object] = lambda _: True


async def run(world: World, plan: Plan) -> Record:
    await world.forget()
    history, over = History(), asyncio.Event()
    people = _people(world, history, plan)
    torment = asyncio.gather(*([] if plan.calm else _torments(world, history, plan, over)))
    try:
        await asyncio.gather(*(live(person, over) for person in people), _end(over, world, history, plan))
    finally:
        over.set()
        await torment
    await world.spare()
    settled = history.now()
    await send_all_again(people, history)
    await asyncio.gather(*(person.look(person.name) for person in people))
    return await read(world, history, settled)


def _people(world: World, history: History, plan: Plan) -> list[Person]:
    names = [f"{plan.name}-{number}" for number in range(plan.people)]
    return [
        Person(name, world, history, random.Random(f"{plan.seed} {name}"), [other for other in names if other != name])
        for name in names
    ]


def _torments(world: World, history: History, plan: Plan, over: asyncio.Event) -> list[Awaitable[None]]:
    families: list[tuple[Nemeses, tuple[float, float]]] = [
        (faults.of_kills(), (0.1, 0.6)),
        (faults.of_stops(), (2, 6)),
        (faults.of_provider(), (0.05, 0.25)),
        (of_database(world.database), (0.3, 1.5)),
    ]
    chances = [random.Random(f"{plan.seed} {plan.name} nemesis {number}") for number in range(len(families))]
    return [
        faults.torment(nemeses, pauses, over, world=world, history=history, chance=chance)
        for (nemeses, pauses), chance in zip(families, chances, strict=True)
    ]


async def _end(over: asyncio.Event, world: World, history: History, plan: Plan) -> None:
    """People finish what they began; the nemeses stop on time."""
    await asyncio.sleep(plan.seconds)
    while not over.is_set():
        if history.now() >= _AT_MOST or plan.enough(await read_so_far(world, history)):
            over.set()
        await asyncio.sleep(0.2)


async def send_all_again(people: Sequence[Person], history: History) -> None:
    """Each callback that its user sent, with whatever code, until there is an answer to it."""
    by_name, gate = {person.name: person for person in people}, asyncio.Semaphore(_AT_ONCE)

    async def again(flow: Flow, code: str | None) -> None:
        own = None if code == flow.code else code
        async with gate:
            last, answer = history.now() + LEASE + _LATER, await by_name[flow.user].send(flow, own)
            while answer.passing and history.now() < last:
                await asyncio.sleep(0.5)
                answer = await by_name[flow.user].send(flow, own)

    callbacks = [(history.flows[one.flow], one) for one in history.operations if one.flow is not None]
    sent = {(flow, one.code) for flow, one in callbacks if one.user == flow.user}
    await asyncio.gather(*(again(flow, code) for flow, code in sorted(sent, key=str)))
