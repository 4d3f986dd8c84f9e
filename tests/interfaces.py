"""One test body, two interfaces: what a REST caller and a GraphQL client do, behind the same methods."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import httpx

from rest.routes import ROUTES

ERASE_USER = """mutation EraseUser($input: EraseUserInput!) { eraseUser(input: $input) {
    pseudonym pendingRevocations filePurged grants { connectionId providerSlug revocation }
    removed { authorizationRequests endedRequests connections accounts auditSubjects } } }"""
DOCUMENTS = {route.operation: route.document for route in ROUTES} | {"EraseUser": ERASE_USER}


@dataclass(frozen=True)
class Answer:
    """What came back: the code of the contract or None, its message, and the payload as bytes and read."""

    status: int
    code: str | None
    message: str | None
    payload: bytes
    headers: httpx.Headers
    retry_after: int | None = None

    @property
    def data(self) -> Any:
        assert self.code is None, f"{self.code}: {self.message}"
        return json.loads(self.payload)

    @property
    def connection(self) -> dict[str, Any]:
        return self.data["connection"]


class Interface(ABC):
    name: str

    def __init__(self, client: httpx.AsyncClient, origin: str) -> None:
        self._client = client
        self.origin = origin

    async def authorize(self, token: str | None, **members: Any) -> Answer:
        return await self._mutation(token, "AuthorizeConnection", "/v1/connections/authorize", members)

    async def complete(self, token: str | None, **members: Any) -> Answer:
        return await self._mutation(token, "CompleteConnection", "/v1/connections/callback", members)

    async def issue(self, token: str | None, connection: str, **members: Any) -> Answer:
        """An access token of the connection."""
        path = f"/v1/connections/{connection}/token"
        return await self._mutation(token, "IssueAccessToken", path, members, connectionId=connection)

    async def erase(self, token: str | None, **members: str) -> Answer:
        """Only through GraphQL, whichever interface this is."""
        return await GraphQL(self._client, self.origin)._mutation(token, "EraseUser", "", members)

    @abstractmethod
    async def disconnect(self, token: str | None, connection_id: str, **parameters: str) -> Answer: ...

    @abstractmethod
    async def connections(self, token: str | None, **variables: Any) -> Answer: ...

    @abstractmethod
    async def _mutation(
        self, token: str | None, operation: str, path: str, members: dict[str, Any], **in_path: str
    ) -> Answer:
        """`in_path` are the members that a REST caller puts into the path."""


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


class Rest(Interface):
    name = "rest"

    async def connections(self, token: str | None, **variables: Any) -> Answer:
        url = f"{self.origin}/v1/connections"
        return _rest_answer(await self._client.get(url, params=variables, headers=bearer(token)))

    async def disconnect(self, token: str | None, connection_id: str, **parameters: str) -> Answer:
        url = f"{self.origin}/v1/connections/{connection_id}"
        return _rest_answer(await self._client.delete(url, params=parameters, headers=bearer(token)))

    async def _mutation(
        self, token: str | None, operation: str, path: str, members: dict[str, Any], **in_path: str
    ) -> Answer:
        return _rest_answer(await self._client.post(self.origin + path, json=members, headers=bearer(token)))


class GraphQL(Interface):
    name = "graphql"

    async def connections(self, token: str | None, **variables: Any) -> Answer:
        return await self._run(token, "ListConnections", variables, b'{"data":', b"}")

    async def disconnect(self, token: str | None, connection_id: str, **parameters: str) -> Answer:
        members = {"connectionId": connection_id, **parameters}
        return await self._mutation(token, "DisconnectConnection", "", members)

    async def _mutation(
        self, token: str | None, operation: str, path: str, members: dict[str, Any], **in_path: str
    ) -> Answer:
        members = members | in_path
        field = operation[0].lower() + operation[1:]
        return await self._run(token, operation, {"input": members}, b'{"data":{"%s":' % field.encode(), b"}}")

    async def _run(
        self, token: str | None, operation: str, variables: dict[str, Any], before: bytes, after: bytes
    ) -> Answer:
        response = await self._client.post(
            f"{self.origin}/graphql",
            json={"query": DOCUMENTS[operation], "variables": variables},
            headers=bearer(token) | {"Accept": "application/graphql-response+json"},
        )
        body = response.json()
        if "errors" in body:
            error = body["errors"][0]
            code, wait = error["extensions"]["code"], error["extensions"].get("retryAfter")
            return Answer(response.status_code, code, error["message"], b"", response.headers, wait)
        assert response.content.startswith(before)
        payload = response.content.removeprefix(before).removesuffix(after)
        return Answer(response.status_code, None, None, payload, response.headers)


def _rest_answer(response: httpx.Response) -> Answer:
    if response.is_success:
        return Answer(response.status_code, None, None, response.content, response.headers)
    body = response.json()
    assert body.keys() == {"error", "message"}
    wait = response.headers.get("Retry-After")
    code = body["error"].upper()
    return Answer(response.status_code, code, body["message"], b"", response.headers, int(wait) if wait else None)
