"""What is done to processes and to the provider: kill -9 at random and at the worst moments, and faults."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress

from tests.torture.history import History
from tests.torture.life.fleet import Member
from tests.torture.life.people import Person
from tests.torture.life.storage import make_due
from tests.torture.life.world import PROVIDER_TIMEOUT, QUIET, World

# Seconds to wait for a refresh that a fault delays.
_PATIENCE = 6.0
# Longer than the time-out, and not as long as a stray request may live.
_LONGEST = PROVIDER_TIMEOUT + QUIET / 2


Deeds = dict[Callable[[], Coroutine[None, None, None]], int]
"""How often each comes, compared with the others."""


class Nemesis:
    """All that is done in a run, drawn from `chance`."""

    def __init__(self, world: World, people: Sequence[Person], history: History, chance: random.Random) -> None:
        self._world = world
        self._people = people
        self._history = history
        self._chance = chance

    async def kill_a_gateway(self) -> None:
        await self._kill(self._chance.choice(self._world.gateways))

    async def kill_a_worker(self) -> None:
        if self._world.workers:
            await self._kill(self._chance.choice(self._world.workers))

    async def misanswer(self) -> None:
        """The next refresh or revocation meets a fault."""
        fault = self._chance.choice(("slow", "late", "lost", "drop", "hang", "status_503", "status_429", "opaque_400"))
        seconds = self._chance.uniform(0.1, _LONGEST) if fault in ("slow", "late") else None
        endpoint = self._chance.choice(("token", "token", "revoke"))
        kind = {"grant_type": "refresh_token"} if endpoint == "token" else {}
        slug = self._chance.choice(self._world.provider.slugs)
        await self._world.sandbox.fault(slug, fault, endpoint=endpoint, seconds=seconds, **kind)

    async def close_revocation(self) -> None:
        """A provider refuses all revocations for a while."""
        await self._world.sandbox.fault(
            self._chance.choice(self._world.provider.slugs), "status_503", endpoint="revoke", times=5
        )

    async def kill_a_refresh(self) -> None:
        """Kill the gateway that waits for the provider: before the provider has handled the request, or after."""
        person, gateway = self._chance.choice(self._people), self._chance.choice(self._world.gateways)
        async with person.alone:
            if person.connected:
                fault = await self._delay(person)
                asked = asyncio.create_task(self._until_refreshed(person, gateway))
                if await self._waits(person, fault):
                    await self._kill(gateway)
                await asked

    async def end_in_mid_refresh(self) -> None:
        """The user disconnects, or connects once more, while the provider takes its time over a refresh."""
        person = self._chance.choice(self._people)
        async with person.alone:
            if person.connected:
                fault = await self._delay(person)
                asked = asyncio.create_task(self._until_refreshed(person, self._chance.choice(self._world.gateways)))
                if await self._waits(person, fault):
                    await self._chance.choice((person.disconnect, person.disconnect, person.connect))()
                await asked

    async def kill_a_worker_that_refreshes(self) -> None:
        """As though its day had come, the worker refreshes a connection, and dies of it."""
        person = self._chance.choice(self._people)
        async with person.alone:
            if person.connected and self._world.workers:
                fault = await self._delay(person)
                await make_due(self._world.database, person.name)
                if await self._waits(person, fault):
                    await asyncio.gather(*(self._kill(worker) for worker in self._world.workers))

    async def _delay(self, person: Person) -> str:
        """The next refresh of the person's connection takes a while: it is handled at the end of it, at the beginning,
        or not at all."""
        fault = self._chance.choice(("late", "slow", "slow", "hang"))
        await self._world.sandbox.fault(
            person.provider, fault, account=person.name, grant_type="refresh_token", seconds=_LONGEST
        )
        return fault

    async def _until_refreshed(self, person: Person, gateway: Member) -> None:
        for _ in range(12):
            before = len(await self._world.sandbox.refreshes(person.name, person.provider))
            await person.issue(gateway)
            if len(await self._world.sandbox.refreshes(person.name, person.provider)) > before:
                return
            await asyncio.sleep(0.3)

    async def _waits(self, person: Person, fault: str) -> bool:
        """Whether a refresh that is delayed like this has arrived, and its sender waits for the answer."""
        end = self._history.now() + _PATIENCE
        while self._history.now() < end:
            calls = await self._world.sandbox.refreshes(person.name, person.provider)
            if any(one["fault"] == fault and one["closed_at"] is None and one["hung_up_at"] is None for one in calls):
                await asyncio.sleep(self._chance.uniform(0, 0.3))
                return True
            await asyncio.sleep(0.02)
        return False

    async def _kill(self, member: Member) -> None:
        await asyncio.to_thread(member.die, self._history)


async def torment(
    deeds: Deeds,
    pauses: tuple[float, float],
    over: asyncio.Event,
    chance: random.Random,
) -> None:
    """One after the other, with `pauses` in between of so many seconds, until it is over."""
    while not over.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), chance.uniform(*pauses))
        if not over.is_set():
            [deed] = chance.choices(list(deeds), list(deeds.values()))
            await deed()
