"""The main job, through both interfaces and on both engines, with the same answer. `tests/contract/` does it with every
provider."""

from __future__ import annotations

import json
import re
import uuid

import pytest

from tests.conftest import REDIRECT_URI, Person, begin
from tests.interfaces import GraphQL, Interface, Rest
from tests.sandbox_control import Sandbox

SEVEN = ["id", "userId", "providerId", "providerSlug", "status", "lastSyncAt", "createdAt"]
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.mark.parametrize("slug", ["sandbox", "strava"])
async def test_a_callback_becomes_a_connection(api: Interface, sandbox: Sandbox, someone: Person, slug: str) -> None:
    callback = await begin(api, sandbox, someone, slug)
    answer = await api.complete(someone.token, **callback)
    assert answer.status == (201 if isinstance(api, Rest) else 200)
    connection = answer.connection
    assert list(connection) == SEVEN
    assert connection["userId"] == someone.id
    assert connection["providerSlug"] == slug
    assert connection["status"] == "connected"
    assert connection["lastSyncAt"] is None
    assert MOMENT.fullmatch(connection["createdAt"])
    assert uuid.UUID(connection["id"]).version == 7
    assert uuid.UUID(connection["providerId"]).version == 5
    assert [call["outcome"] for call in await sandbox.exchanges(callback["code"])] == ["issued"]
    listed = await api.connections(someone.token, userId=someone.id)
    assert listed.data == {"connections": [connection]}


async def test_both_interfaces_print_the_same_bytes(
    api: Interface, sandbox: Sandbox, someone: Person, client: object
) -> None:
    callback = await begin(api, sandbox, someone)
    first = await api.complete(someone.token, **callback)
    for interface in (Rest, GraphQL):
        again = interface(api._client, api.origin)
        assert (await again.complete(someone.token, **callback)).payload == first.payload


async def test_authorize_says_where_to_send_the_user(api: Interface, someone: Person) -> None:
    answer = await api.authorize(someone.token, provider="sandbox", redirectUri=REDIRECT_URI)
    assert answer.status == 200
    assert answer.data.keys() == {"url", "state"}
    assert f"state={answer.data['state']}" in answer.data["url"]
    assert re.fullmatch(r"[A-Za-z0-9]{32,}", answer.data["state"])


async def test_states_and_verifiers_are_fresh(api: Interface, someone: Person) -> None:
    urls = [
        (await api.authorize(someone.token, provider="sandbox", redirectUri=REDIRECT_URI)).data["url"] for _ in range(2)
    ]
    for parameter in ("state", "code_challenge"):
        first, second = (re.search(rf"[?&]{parameter}=([^&]+)", url) for url in urls)
        assert first
        assert second
        assert first[1] != second[1]


async def test_connecting_again_renews_the_same_row(api: Interface, sandbox: Sandbox, someone: Person) -> None:
    first = (await api.complete(someone.token, **await begin(api, sandbox, someone))).connection
    second = (await api.complete(someone.token, **await begin(api, sandbox, someone))).connection
    assert second == first
    assert len((await api.connections(someone.token, userId=someone.id)).data["connections"]) == 1


async def test_a_user_connects_several_providers(api: Interface, sandbox: Sandbox, someone: Person) -> None:
    for slug in ("oura", "sandbox", "strava"):
        assert (await api.complete(someone.token, **await begin(api, sandbox, someone, slug))).code is None
    listed = (await api.connections(someone.token, userId=someone.id)).data["connections"]
    assert [connection["providerSlug"] for connection in listed] == ["oura", "sandbox", "strava"]


async def test_the_granted_scope_is_recorded(api: Interface, sandbox: Sandbox, someone: Person) -> None:
    callback = await begin(api, sandbox, someone, grant="sleep")
    identifier = (await api.complete(someone.token, **callback)).connection["id"]
    query = "query($id: ID!) { connection(id: $id) { grantedScopes requestedScopes accountId provider { slug } } }"
    response = await api._client.post(
        f"{api.origin}/graphql",
        json={"query": query, "variables": {"id": identifier}},
        headers={"Authorization": f"Bearer {someone.token}"},
    )
    assert json.loads(response.content)["data"]["connection"] == {
        "grantedScopes": ["sleep"],
        "requestedScopes": ["activity", "sleep", "offline"],
        "accountId": "sam",
        "provider": {"slug": "sandbox"},
    }


async def test_the_redirect_can_narrow_the_scope_and_never_widen_it(
    api: Interface, sandbox: Sandbox, someone: Person
) -> None:
    await sandbox.settings("strava", scope_in_answer=False)
    callback = await begin(api, sandbox, someone, "strava") | {"scope": "read,admin:all"}
    identifier = (await api.complete(someone.token, **callback)).connection["id"]
    await sandbox.settings("strava", scope_in_answer=True)
    response = await api._client.post(
        f"{api.origin}/graphql",
        json={"query": f'{{ connection(id: "{identifier}") {{ grantedScopes }} }}'},
        headers={"Authorization": f"Bearer {someone.token}"},
    )
    assert response.json()["data"]["connection"]["grantedScopes"] == ["read"]
