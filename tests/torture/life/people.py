"""What users and services do with a connection. All of it is written down."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.conftest import REDIRECT_URI
from tests.sandbox_control import token_id
from tests.torture.calling import GRAPHQL, REST, ask
from tests.torture.history import OK, Answer, History
from tests.torture.life.fleet import Member
from tests.torture.life.record import CONNECT, DISCONNECT, ISSUE, Act
from tests.torture.life.world import World

SERVICE = "dev-service:etl"
_TRIES = 12


@dataclass
class Person:
    """A user with one connection, whose account at the provider has the same name, and the service that uses it. While
    somebody has `alone`, nobody else asks for its token."""

    name: str
    provider: str
    world: World
    history: History
    acts: list[Act]
    chance: random.Random
    connection: str | None = None
    connected: bool = False
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def connect(self) -> Answer | None:
        """None if the user never came to the provider."""
        entry = {"input": {"provider": self.provider, "redirectUri": REDIRECT_URI}}
        began = await self._ask("AuthorizeConnection", entry, self._anywhere())
        if began.outcome != OK:
            return None
        try:
            back = await self.world.sandbox.approve(began.data["url"], account=self.name)
        except httpx.HTTPError:
            return None
        callback = {
            "input": {**entry["input"], **{name: back[name] for name in ("code", "state", "iss") if name in back}}
        }
        answer = await self._persist(CONNECT, "CompleteConnection", callback)
        if answer.outcome == OK:
            self.connection, self.connected = answer.data["connection"]["id"], True
        return answer

    async def disconnect(self) -> Answer:
        asked = {"input": {"connectionId": self.connection, "userId": self.name}}
        answer = await self._persist(DISCONNECT, "DisconnectConnection", asked)
        if answer.outcome == OK:
            self.connected = False
        return answer

    async def leave(self) -> None:
        """The user removes the access at the provider."""
        await self.world.sandbox.end(self.name, self.provider)

    async def issue(self, gateway: Member | None = None) -> Answer:
        """The service asks for an access token, and uses it at once."""
        gateway, asked = gateway or self._anywhere(), {"input": {"connectionId": self.connection}}
        began = self.history.now()
        answer = await self._ask("IssueAccessToken", asked, gateway, token=SERVICE)
        ended, token, accepted = self.history.now(), None, None
        if answer.outcome == OK:
            token = answer.data["accessToken"]
            accepted = await self.world.sandbox.accepts(token)
            # The token itself has no place in what is printed.
            answer, token = Answer(OK, answer.status), token_id(token)
        act = Act(began, ended, ISSUE, self.name, gateway.name, answer, token, accepted, self.history.now())
        self.acts.append(act)
        return answer

    async def _persist(self, action: str, operation: str, asked: dict[str, Any]) -> Answer:
        """Send it until there is an answer, at one gateway or another. It counts as one act."""
        began, gateway = self.history.now(), self._anywhere()
        answer = await self._ask(operation, asked, gateway)
        for _ in range(_TRIES):
            if not answer.passing:
                break
            await asyncio.sleep(self.chance.uniform(0.1, 1))
            gateway = self._anywhere()
            answer = await self._ask(operation, asked, gateway)
        plain = Answer(answer.outcome, answer.status)
        self.acts.append(Act(began, self.history.now(), action, self.name, gateway.name, plain))
        return answer

    async def _ask(self, operation: str, asked: dict[str, Any], gateway: Member, token: str = "") -> Answer:
        return await ask(
            self.world.client,
            gateway.origin,
            self.chance.choice((REST, GRAPHQL)),
            operation=operation,
            variables=asked,
            user=self.name,
            token=token,
        )

    def _anywhere(self) -> Member:
        return self.chance.choice(self.world.gateways)


async def live(person: Person, over: asyncio.Event) -> None:
    """Connect, let services use the connection, end it here or there, and begin anew."""
    while not over.is_set():
        if not person.connected or person.chance.random() < 0.15:
            async with person.alone:
                await person.connect()
        for _ in range(person.chance.randint(2, 6)):
            if person.connection is None or over.is_set():
                break
            await _use(person)
        if person.connected and not over.is_set() and person.chance.random() < 0.25:
            await _end(person)
        await asyncio.sleep(person.chance.uniform(0, 0.4))


async def _use(person: Person) -> None:
    async with person.alone:
        answers = await asyncio.gather(*(person.issue() for _ in range(person.chance.randint(1, 8))))
    if any(answer.outcome == "REAUTHORIZATION_REQUIRED" for answer in answers):
        person.connected = False
    await asyncio.sleep(person.chance.uniform(0.1, 1.2))


async def _end(person: Person) -> None:
    """Alone, in the middle of a refresh, or at the same time as a callback of the same user."""
    async with person.alone:
        if person.chance.random() < 0.15:
            await person.leave()
            return
        others = [person.issue() for _ in range(person.chance.choice((0, 0, 2)))]
        again = [person.connect()] if person.chance.random() < 0.2 else []
        await asyncio.gather(person.disconnect(), *others, *again)
