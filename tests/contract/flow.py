"""What a user and their app do at a place, through one of the interfaces, and what the provider saw of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from tests.conftest import REDIRECT_URI, Person
from tests.contract.places import Place
from tests.interfaces import Answer, Interface
from tests.sandbox_control import Sandbox, in_query

SERVICE = "dev-service:contract"


@dataclass(frozen=True)
class Flow:
    """One user at a place, whose account at the provider nobody else has."""

    api: Interface
    sandbox: Sandbox
    client: httpx.AsyncClient
    person: Person
    place: Place
    account: str

    async def authorize(self) -> dict[str, str]:
        """The parameters of the URL to which the user is sent."""
        return dict(httpx.URL(in_query(await self.authorization_url())).params)

    async def authorization_url(self) -> str:
        provider, site = self.place.slug, self.place.input
        answer = await self.api.authorize(self.person.token, provider=provider, redirectUri=REDIRECT_URI, **site)
        return answer.data["url"]

    async def consent(self, decision: str = "approve", **more: str) -> dict[str, str]:
        """The members of the callback that is due once the user has decided."""
        back = await self.sandbox.approve(await self.authorization_url(), decision, account=self.account, **more)
        known = {name: back[name] for name in ("code", "state", "iss", "scope", "error") if name in back}
        return {"provider": self.place.slug, "redirectUri": REDIRECT_URI, "code": "", **known}

    async def complete(self, callback: dict[str, str]) -> Answer:
        return await self.api.complete(self.person.token, **callback)

    async def connect(self, **more: str) -> str:
        """The id of a new connection."""
        return (await self.complete(await self.consent(**more))).connection["id"]

    async def issue(self, connection: str) -> Answer:
        return await self.api.issue(SERVICE, connection)

    async def shown(self) -> dict[str, Any]:
        """What GraphQL shows of the user's only connection."""
        fields = "status statusReason accountId site expiresAt scopes { requested granted missing }"
        query = f'{{ connections(userId: "{self.person.id}") {{ {fields} }} }}'
        headers = {"Authorization": f"Bearer {self.person.token}"}
        response = await self.client.post(f"{self.api.origin}/graphql", json={"query": query}, headers=headers)
        (connection,) = response.json()["data"]["connections"]
        return connection

    async def outcomes(self, endpoint: str) -> list[str]:
        """What became of the provider's calls for this account, in their order."""
        calls = await self.sandbox.calls(self.place.slug, endpoint)
        return [call["outcome"] for call in calls if call["account"] == self.account]

    async def nothing_is_stored(self) -> bool:
        listed = await self.api.connections(self.person.token, userId=self.person.id)
        return listed.data == {"connections": []}


def new_account() -> str:
    """An id that every provider could have: a whole number without a leading zero."""
    return str(10**17 + uuid4().int % 10**17)
