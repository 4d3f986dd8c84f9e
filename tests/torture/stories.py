"""What people, browsers, proxies and thieves do with a callback."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from tests.torture.history import Flow
from tests.torture.operations import Person
from tests.torture.world import PROVIDERS


async def live(person: Person, over: asyncio.Event) -> None:
    """Connect again and again, sometimes twice at once, and look at what one has and others have."""
    while not over.is_set():
        provider = person.chance.choice(PROVIDERS)
        again = [provider] if person.chance.random() < 0.15 else []
        await asyncio.gather(*(_connect(person, slug) for slug in [provider, *again]))
        if person.chance.random() < 0.3:
            await person.look(person.chance.choice([person.name, person.name, *person.neighbours]))
        await asyncio.sleep(person.chance.uniform(0, 0.3))


async def _connect(person: Person, provider: str) -> None:
    flow = await person.authorize(provider)
    if flow is not None:
        [story] = person.chance.choices(list(STORIES), list(STORIES.values()))
        await story(person, flow)


async def _plainly(person: Person, flow: Flow) -> None:
    await person.persist(flow)


async def _at_once(person: Person, flow: Flow) -> None:
    """A double click, a browser that repeats, a proxy that sends twice."""
    await asyncio.gather(*(person.persist(flow, tries=2) for _ in range(person.chance.randint(2, 5))))


async def _hang_up(person: Person, flow: Flow) -> None:
    await person.send(flow, patience=person.chance.uniform(0.005, 0.4))
    await asyncio.sleep(person.chance.uniform(0, 0.3))
    await person.persist(flow)


async def _again_later(person: Person, flow: Flow) -> None:
    await person.persist(flow)
    await asyncio.sleep(person.chance.uniform(0, 1))
    await person.persist(flow)


async def _with_another_code(person: Person, flow: Flow) -> None:
    """Before, after, or at the same time as the right one."""
    calls = [person.persist(flow), person.send(flow, code=person.another_code())]
    person.chance.shuffle(calls)
    if person.chance.random() < 0.5:
        await asyncio.gather(*calls)
    else:
        for call in calls:
            await call


async def _stolen(person: Person, flow: Flow) -> None:
    """Somebody else has seen the callback and brings it as theirs."""
    chance = random.Random(person.chance.random())
    thief = Person(person.chance.choice(person.neighbours), person.world, person.history, chance, [])
    await asyncio.gather(thief.send(flow), person.persist(flow))


async def _given_up(person: Person, flow: Flow) -> None:
    await person.send(flow, patience=person.chance.uniform(0.005, 0.2))


Story = Callable[[Person, Flow], Awaitable[None]]
STORIES: dict[Story, int] = {
    _plainly: 5,
    _at_once: 4,
    _hang_up: 3,
    _again_later: 2,
    _with_another_code: 2,
    _stolen: 1,
    _given_up: 1,
}
