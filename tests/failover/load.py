"""Callers who connect all the time, each time as another user, and send a callback again until it is answered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count

from tests.torture.gateways import Entrance
from tests.torture.history import OK, History
from tests.torture.operations import Person
from tests.torture.world import World

PROVIDER = "sandbox"
# Seconds between a caller's flows, and before a callback that was not answered is sent again.
_PAUSE = 0.1
_AGAIN = 0.25
# Seconds for which a user goes on with a callback. The check sends it again in any case.
_PATIENCE = 10.0


class Load:
    """`people` are those who began a flow, and `history` has all that they did."""

    def __init__(self, world: World) -> None:
        self.history = History()
        self.people: list[Person] = []
        self.entrance: Entrance | None = None
        """Where new users send everything. By default that is any of the gateways, each time."""
        self._world = world
        self._numbers = count(1)

    @asynccontextmanager
    async def running(self, callers: int = 4, pause: float = _PAUSE) -> AsyncGenerator[None]:
        """Load for as long as the block takes. Flows that have begun in it are completed."""
        over = asyncio.Event()
        tasks = [asyncio.create_task(self._call(over, pause)) for _ in range(callers)]
        try:
            yield
        finally:
            over.set()
            await asyncio.gather(*tasks)

    async def flows(self, number: int) -> int:
        """So many flows, one after the other, each of whose operations is sent once. Returns how many failed."""
        failed = 0
        for _ in range(number):
            person = self.person()
            flow = await person.authorize(PROVIDER)
            answer = await person.send(flow) if flow else None
            failed += answer is None or answer.outcome != OK
        return failed

    def person(self) -> Person:
        """A user whom nobody knows yet."""
        name = f"user-{next(self._numbers)}"
        chance = random.Random(name)
        self.people.append(Person(name, self._world, self.history, chance, [], self.entrance, denying=0))
        return self.people[-1]

    async def connect(self, person: Person) -> None:
        """Authorize, and send the callback until it is answered, or nobody would wait any longer."""
        flow = await person.authorize(PROVIDER)
        if flow is None:
            return
        answer, last = await person.send(flow), self.history.now() + _PATIENCE
        while answer.passing and self.history.now() < last:
            await asyncio.sleep(_AGAIN)
            answer = await person.send(flow)

    async def _call(self, over: asyncio.Event, pause: float) -> None:
        while not over.is_set():
            await self.connect(self.person())
            await asyncio.sleep(pause)
