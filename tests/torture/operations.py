"""What a person does: authorize, bring a callback to some gateway, look at connections. All of it is written down."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any

import httpx

from tests.conftest import REDIRECT_URI
from tests.torture.calling import GRAPHQL, REST, ask
from tests.torture.gateways import Entrance
from tests.torture.history import HUNG_UP, OK, Answer, Flow, History, Operation
from tests.torture.world import World

_TRIES = 4


@dataclass
class Person:
    """One user. What they do is drawn from `chance`; when it happens is up to the machine."""

    name: str
    world: World
    history: History
    chance: random.Random
    neighbours: list[str]
    entrance: Entrance | None = None
    """Where everything is sent to, such as a load balancer. By default that is any of the gateways, each time."""
    denying: float = 0.06
    """How often they deny access at the provider."""

    async def authorize(self, provider: str) -> Flow | None:
        """Ask where to go, go there and decide. None when that was not to be had."""
        variables = {"input": {"provider": provider, "redirectUri": REDIRECT_URI}}
        answer = await self._do("authorize", "AuthorizeConnection", variables, self._anywhere())
        if answer.outcome != OK:
            return None
        number, decision = self.history.next_number(), "deny" if self.chance.random() < self.denying else "approve"
        try:
            back = await self.world.sandbox.approve(answer.data["url"], decision, account=f"account-{number}")
        except httpx.HTTPError:
            return None
        flow = Flow(
            number,
            self.name,
            provider,
            state=back["state"],
            code=back.get("code", ""),
            account=f"account-{number}",
            error=back.get("error"),
            iss=back.get("iss"),
        )
        self.history.flows[number] = flow
        return flow

    async def send(self, flow: Flow, code: str | None = None, patience: float | None = None) -> Answer:
        """Bring the callback to some gateway, with the code that the provider sent or another, and hang up after
        `patience` seconds."""
        sent = flow.code if code is None else code
        error = flow.error if code is None else None
        known = {"code": sent, "state": flow.state, "error": error, "iss": flow.iss}
        members = {name: value for name, value in known.items() if value is not None}
        variables = {"input": {"provider": flow.provider, "redirectUri": REDIRECT_URI, **members}}
        gateway = self._anywhere()
        gateway.called.set()
        notes = {"flow": flow.number, "code": sent}
        return await self._do("callback", "CompleteConnection", variables, gateway, patience=patience, **notes)

    async def persist(self, flow: Flow, tries: int = _TRIES) -> Answer:
        """Send it until there is an answer, here or elsewhere, as far as anybody's patience goes."""
        answer = await self.send(flow)
        while answer.passing and (tries := tries - 1):
            await asyncio.sleep(self.chance.uniform(0.02, 0.6))
            answer = await self.send(flow)
        return answer

    async def look(self, about: str) -> Answer:
        return await self._do("list", "ListConnections", {"userId": about}, self._anywhere(), about=about)

    def another_code(self) -> str:
        return f"code_another_{self.chance.getrandbits(64):x}"

    def _anywhere(self) -> Entrance:
        return self.entrance or self.chance.choice(self.world.gateways)

    async def _do(
        self,
        action: str,
        operation: str,
        variables: dict[str, Any],
        gateway: Entrance,
        *,
        patience: float | None = None,
        **notes: Any,
    ) -> Answer:
        interface, began = self.chance.choice((REST, GRAPHQL)), self.history.now()
        try:
            async with asyncio.timeout(patience):
                answer = await ask(
                    self.world.client,
                    gateway.origin,
                    interface,
                    operation=operation,
                    user=self.name,
                    variables=variables,
                )
        except TimeoutError:
            answer = Answer(HUNG_UP)
        ended = self.history.now()
        one = Operation(began, ended, action, self.name, gateway.name, interface, answer, **notes)
        self.history.operations.append(one)
        return answer
