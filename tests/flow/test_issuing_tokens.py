"""A service gets an access token that works, whatever became of the one that was stored."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.audit_trail import events
from tests.conftest import SLUGS, Person, begin, catalogue_entry, further_secrets
from tests.databases import Database
from tests.interfaces import Interface
from tests.sandbox_control import Sandbox

SERVICE = "dev-service:etl"


async def connect(api: Interface, sandbox: Sandbox, person: Person, **behaviour: Any) -> str:
    """The id of a new connection. The user's account at the provider has the same name, and behaves as given."""
    if behaviour:
        await sandbox.settings("sandbox", account=person.id, **behaviour)
    callback = await begin(api, sandbox, person, account=person.id)
    return (await api.complete(person.token, **callback)).connection["id"]


async def shown(client: httpx.AsyncClient, api: Interface, person: Person) -> dict[str, Any]:
    """What GraphQL shows of the person's connection."""
    fields = "status statusReason expiresAt refreshedAt scopes { requested granted missing }"
    response = await client.post(
        f"{api.origin}/graphql",
        json={"query": f'{{ connections(userId: "{person.id}") {{ {fields} }} }}'},
        headers={"Authorization": f"Bearer {person.token}"},
    )
    return response.json()["data"]["connections"][0]


async def test_a_token_with_time_left_is_read(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database
) -> None:
    connection = await connect(api, sandbox, someone)
    first, second = await api.issue(SERVICE, connection), await api.issue(SERVICE, connection)
    assert first.status == 200
    assert first.headers["cache-control"] == "no-store"
    assert first.payload == second.payload
    assert first.data["tokenType"] == "Bearer"
    assert first.data["scopes"] == ["activity", "sleep", "offline"]
    assert first.data["apiHeaders"] == []
    assert await sandbox.accepts(first.data["accessToken"])
    assert await sandbox.refreshes(someone.id) == []
    told = await events(shared_database, someone.id, "action, outcome, client_id, connection_id")
    issued = [(action, outcome, client, str(id_)) for action, outcome, client, id_ in told if action == "issue_token"]
    assert issued == [("issue_token", "ok", "etl", connection)] * 2


HEADERS = {slug: catalogue_entry(slug).get("api", {}).get("headers") for slug in SLUGS}


@pytest.mark.parametrize("slug", [slug for slug in SLUGS if HEADERS[slug]])
async def test_a_service_gets_the_header_fields_that_the_api_requires(
    api: Interface, sandbox: Sandbox, someone: Person, slug: str
) -> None:
    callback = await begin(api, sandbox, someone, slug)
    connection = (await api.complete(someone.token, **callback)).connection["id"]
    known = {"client_id": f"client-{slug}", **further_secrets(slug)}
    expected = [{"name": name, "value": text.format_map(known)} for name, text in HEADERS[slug].items()]
    assert (await api.issue(SERVICE, connection)).data["apiHeaders"] == expected


async def test_an_expired_token_is_refreshed_first(
    api: Interface, sandbox: Sandbox, client: httpx.AsyncClient, someone: Person
) -> None:
    connection = await connect(api, sandbox, someone, access_life=0)
    await sandbox.settings("sandbox", account=someone.id, access_life=3600)
    before = await shown(client, api, someone)
    assert (before["status"], before["refreshedAt"]) == ("connected", None)
    token = (await api.issue(SERVICE, connection)).data
    assert await sandbox.accepts(token["accessToken"])
    after = await shown(client, api, someone)
    assert after["refreshedAt"] is not None
    assert after["expiresAt"] == token["expiresAt"] > before["expiresAt"]
    # The new refresh token was stored, too.
    await sandbox.settings("sandbox", account=someone.id, access_life=0)
    assert len(await sandbox.refreshes(someone.id)) == 1


async def be_refreshed_again(database: Database, user: str) -> None:
    """A provider that issues expired tokens is not asked over and over again, until some time has passed."""
    earlier = "'2026-01-01 00:00:00.000000+00:00'"
    await database.fetch(f"UPDATE connection SET refreshed_at = {earlier} WHERE user_id = $1", user)


async def test_each_refresh_uses_the_newest_refresh_token(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database
) -> None:
    """The sandbox ends the grant if one is used twice."""
    connection = await connect(api, sandbox, someone, access_life=0)
    for _ in range(4):
        assert (await api.issue(SERVICE, connection)).code == "PROVIDER_UNAVAILABLE"
        await be_refreshed_again(shared_database, someone.id)
    calls = await sandbox.refreshes(someone.id)
    assert len({call["sent"] for call in calls}) == len(calls) == 4


@pytest.mark.parametrize(
    "behaviour",
    [{"refresh": "reusable"}, {"refresh": "reusable", "refresh_in_answer": True}],
    ids=["left-out", "repeated"],
)
async def test_a_refresh_token_that_is_left_out_stays_in_use(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database, behaviour: dict[str, Any]
) -> None:
    connection = await connect(api, sandbox, someone, access_life=0, **behaviour)
    for _ in range(3):
        await api.issue(SERVICE, connection)
        await be_refreshed_again(shared_database, someone.id)
    calls = await sandbox.refreshes(someone.id)
    assert len({call["sent"] for call in calls}) == 1
    assert len(calls) == 3


async def test_many_callers_share_one_refresh(api: Interface, sandbox: Sandbox, someone: Person) -> None:
    connection = await connect(api, sandbox, someone, access_life=0)
    await sandbox.settings("sandbox", account=someone.id, access_life=3600)
    answers = await asyncio.gather(*(api.issue(SERVICE, connection) for _ in range(25)))
    assert len({answer.data["accessToken"] for answer in answers}) == 1
    assert len(await sandbox.refreshes(someone.id)) == 1


async def test_a_rejected_token_is_refreshed_once(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database
) -> None:
    connection = await connect(api, sandbox, someone)
    token = (await api.issue(SERVICE, connection)).data["accessToken"]
    # A provider that rejects what it has just issued is not asked over and over again.
    refused = await api.issue(SERVICE, connection, rejectedToken=token)
    assert (refused.code, await sandbox.refreshes(someone.id)) == ("PROVIDER_UNAVAILABLE", [])
    assert refused.retry_after is not None
    assert 0 < refused.retry_after <= 31
    then = "'2026-01-01 00:00:00.000000+00:00'"
    await shared_database.fetch(f"UPDATE connection SET granted_at = {then} WHERE user_id = $1", someone.id)
    answers = await asyncio.gather(*(api.issue(SERVICE, connection, rejectedToken=token) for _ in range(5)))
    assert len({answer.data["accessToken"] for answer in answers} - {token}) == 1
    # It is safe to send again: the connection has another token by now.
    assert (await api.issue(SERVICE, connection, rejectedToken=token)).data == answers[0].data
    assert len(await sandbox.refreshes(someone.id)) == 1


@pytest.mark.parametrize("fault", ["status_503", "status_429", "opaque_400", "html"])
async def test_a_provider_that_fails_is_left_alone_for_a_while(
    api: Interface, sandbox: Sandbox, client: httpx.AsyncClient, someone: Person, fault: str
) -> None:
    connection = await connect(api, sandbox, someone, access_life=0)
    await sandbox.settings("sandbox", account=someone.id, access_life=3600)
    await sandbox.fault("sandbox", fault, account=someone.id, grant_type="refresh_token")
    failed = [await api.issue(SERVICE, connection) for _ in range(3)]
    assert {answer.code for answer in failed} == {"PROVIDER_UNAVAILABLE"}
    assert all(answer.retry_after for answer in failed)
    assert len(await sandbox.refreshes(someone.id)) == 1
    assert (await shown(client, api, someone))["status"] == "connected"


async def test_the_end_of_a_grant_is_final(
    api: Interface, sandbox: Sandbox, client: httpx.AsyncClient, someone: Person, shared_database: Database
) -> None:
    connection = await connect(api, sandbox, someone, access_life=0)
    await sandbox.end(someone.id)
    answers = [await api.issue(SERVICE, connection) for _ in range(3)]
    assert {(answer.status, answer.code) for answer in answers} <= {
        (409, "REAUTHORIZATION_REQUIRED"),
        (200, "REAUTHORIZATION_REQUIRED"),
    }
    assert len(await sandbox.refreshes(someone.id)) == 1
    lost = await shown(client, api, someone)
    assert (lost["status"], lost["statusReason"]) == ("error", "reauthorization_required")
    told = await events(shared_database, someone.id, "action, outcome, actor")
    assert [row for row in told if row[0] == "refresh"] == [("refresh", "REAUTHORIZATION_REQUIRED", None)]
    # Connecting again makes a working connection of the same id.
    assert await connect(api, sandbox, someone, access_life=3600) == connection
    assert await sandbox.accepts((await api.issue(SERVICE, connection)).data["accessToken"])


async def test_our_wrong_credentials_touch_no_connection(
    api: Interface, sandbox: Sandbox, client: httpx.AsyncClient, someone: Person
) -> None:
    connection = await connect(api, sandbox, someone, access_life=0)
    await sandbox.fault("sandbox", "invalid_client", account=someone.id, grant_type="refresh_token")
    for _ in range(2):
        refused = await api.issue(SERVICE, connection)
        assert refused.code == "PROVIDER_MISCONFIGURED"
        assert 20 < (refused.retry_after or 0) <= 30
    assert len(await sandbox.refreshes(someone.id)) == 1
    assert (await shown(client, api, someone))["status"] == "connected"


async def test_a_token_that_is_still_valid_is_better_than_none(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database
) -> None:
    """At `fitbit` a token with less than five minutes left is refreshed."""
    await sandbox.settings("fitbit", account=someone.id, access_life=60)
    callback = await begin(api, sandbox, someone, "fitbit", account=someone.id)
    connection = (await api.complete(someone.token, **callback)).connection["id"]
    then = "'2026-01-01 00:00:00.000000+00:00'"
    await shared_database.fetch(f"UPDATE connection SET granted_at = {then} WHERE user_id = $1", someone.id)
    await sandbox.fault("fitbit", "status_503", account=someone.id, grant_type="refresh_token")
    assert await sandbox.accepts((await api.issue(SERVICE, connection)).data["accessToken"])
    assert len(await sandbox.refreshes(someone.id, "fitbit")) == 1


async def test_scopes_that_were_not_granted(
    api: Interface, sandbox: Sandbox, client: httpx.AsyncClient, someone: Person
) -> None:
    callback = await begin(api, sandbox, someone, account=someone.id, scope="sleep")
    connection = (await api.complete(someone.token, **callback)).connection["id"]
    assert (await api.issue(SERVICE, connection, scopes=["sleep"])).data["scopes"] == ["sleep"]
    missing = await api.issue(SERVICE, connection, scopes=["sleep", "activity"])
    assert missing.code == "SCOPES_MISSING"
    seen = await shown(client, api, someone)
    assert seen["scopes"]["missing"] == ["activity", "offline"]


async def test_only_services_get_tokens(api: Interface, sandbox: Sandbox, someone: Person, another: Person) -> None:
    connection = await connect(api, sandbox, someone)
    for token in (someone.token, another.token):
        refused = await api.issue(token, connection)
        assert refused.code == "INSUFFICIENT_SCOPE"
    assert (await api.issue(None, connection)).code == "UNAUTHENTICATED"
    unknown = "01930000-0000-7000-8000-000000000000"
    assert {(await api.issue(SERVICE, id_)).code for id_ in (unknown, "nonsense")} == {"CONNECTION_NOT_FOUND"}


async def test_an_empty_token_was_rejected_by_nobody(api: Interface) -> None:
    """A caller that has lost the token would get the same one again and again."""
    for rejected in ("", " "):
        refused = await api.issue(SERVICE, "01930000-0000-7000-8000-000000000000", rejectedToken=rejected)
        assert (refused.code, refused.message) == ("VALIDATION_ERROR", "rejectedToken must not be empty.")


async def test_a_body_is_optional(client: httpx.AsyncClient, api: Interface, sandbox: Sandbox, someone: Person) -> None:
    connection = await connect(api, sandbox, someone)
    url = f"{api.origin}/v1/connections/{connection}/token"
    headers = {"Authorization": f"Bearer {SERVICE}"}
    answers = [
        await client.post(url, headers=headers),
        await client.post(url, headers=headers, json={}),
        # The id of the path wins, and members that are null count as absent.
        await client.post(url, headers=headers, json={"connectionId": "x", "scopes": None, "rejectedToken": None}),
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert (await client.post(url, headers=headers, content=b"{}")).status_code == 415
