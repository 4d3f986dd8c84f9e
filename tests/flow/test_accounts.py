"""A provider's account that changes, or that two users share, shows in the audit trail and the log, but never its name.

At `fitbit` the token answer names the account, at `sandbox` it is fetched after the tokens are stored.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.audit_trail import events
from tests.conftest import Person, begin, catalogue_entry
from tests.databases import Database
from tests.interfaces import Interface
from tests.processes import Process
from tests.sandbox_control import Sandbox

SLUGS = ("fitbit", "sandbox")
TOKENS = {"access_token": "made-up", "token_type": "Bearer", "expires_in": 60}
ACCOUNT_FIELD = catalogue_entry("sandbox")["account"]["field"]


@pytest.fixture(params=SLUGS)
def slug(request: pytest.FixtureRequest) -> str:
    return request.param


async def connect(api: Interface, sandbox: Sandbox, person: Person, slug: str, account: str) -> str:
    callback = await begin(api, sandbox, person, slug, account=account)
    return (await api.complete(person.token, **callback)).connection["id"]


async def account_events(database: Database, person: Person) -> list[tuple[str, str, str]]:
    told = await events(database, person.id, "action, outcome, provider, connection_id")
    return [(action, provider, str(id_)) for action, _, provider, id_ in told if action.startswith("account_")]


async def shown(client: httpx.AsyncClient, origin: str, person: Person, connection: str) -> Any:
    response = await client.post(
        f"{origin}/graphql",
        json={"query": f'{{ connection(id: "{connection}") {{ accountId }} }}'},
        headers={"Authorization": f"Bearer {person.token}"},
    )
    return response.json()["data"]["connection"]["accountId"]


def logged(process: Process, event: str, connection: str) -> list[str]:
    return [line for line in process.said.splitlines() if event in line and connection in line]


async def test_another_account_than_before(
    api: Interface,
    client: httpx.AsyncClient,
    sandbox: Sandbox,
    someone: Person,
    slug: str,
    gateway: Process,
    shared_database: Database,
) -> None:
    first, second = f"first-{someone.id[-20:]}", f"second-{someone.id[-20:]}"
    for account in (first, first):
        connection = await connect(api, sandbox, someone, slug, account)
        assert await shown(client, api.origin, someone, connection) == account
    assert await account_events(shared_database, someone) == []
    assert await connect(api, sandbox, someone, slug, second) == connection
    assert await account_events(shared_database, someone) == [("account_changed", slug, connection)]
    assert await shown(client, api.origin, someone, connection) == second
    assert len(logged(gateway, "account.changed", connection)) == 1
    assert first not in gateway.said
    assert second not in gateway.said


async def test_an_account_that_was_not_known_meanwhile(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database
) -> None:
    """The last known account is kept."""
    first, second = f"first-{someone.id[-20:]}", f"second-{someone.id[-20:]}"
    connection = await connect(api, sandbox, someone, "sandbox", first)
    await sandbox.fault("sandbox", "html", endpoint="account")
    await connect(api, sandbox, someone, "sandbox", second)
    known = "SELECT account, former_account FROM connection WHERE user_id = $1"
    assert list(await shared_database.fetch(known, someone.id)) == [(None, first)]
    assert await account_events(shared_database, someone) == []
    await connect(api, sandbox, someone, "sandbox", second)
    assert await account_events(shared_database, someone) == [("account_changed", "sandbox", connection)]


async def test_an_account_of_two_users(
    api: Interface,
    sandbox: Sandbox,
    someone: Person,
    another: Person,
    slug: str,
    gateway: Process,
    shared_database: Database,
) -> None:
    account = f"both-{someone.id[-20:]}"
    first = await connect(api, sandbox, someone, slug, account)
    assert await account_events(shared_database, someone) == []
    second = await connect(api, sandbox, another, slug, account)
    assert second != first
    assert await account_events(shared_database, another) == [("account_shared", slug, second)]
    # The same name at another provider is another account.
    await connect(api, sandbox, another, "strava", account)
    assert len(await account_events(shared_database, another)) == 1
    await connect(api, sandbox, someone, slug, account)
    assert await account_events(shared_database, someone) == [("account_shared", slug, first)]
    assert len(logged(gateway, "account.shared", second)) == 1
    assert account not in gateway.said


@pytest.mark.parametrize("user_id", [12.0, "12", 12])
async def test_a_whole_number_is_an_account_however_it_is_written(
    api: Interface, client: httpx.AsyncClient, sandbox: Sandbox, someone: Person, user_id: object
) -> None:
    """In both ways: `fitbit` names it beside the tokens, and the sandbox is asked for it."""
    callback = await begin(api, sandbox, someone, "fitbit")
    await sandbox.answer("fitbit", json.dumps(TOKENS | {"user_id": user_id}))
    connection = (await api.complete(someone.token, **callback)).connection["id"]
    assert await shown(client, api.origin, someone, connection) == "12"
    callback = await begin(api, sandbox, someone, "sandbox")
    await sandbox.answer("sandbox", json.dumps({ACCOUNT_FIELD: user_id}), endpoint="account")
    connection = (await api.complete(someone.token, **callback)).connection["id"]
    assert await shown(client, api.origin, someone, connection) == "12"


@pytest.mark.parametrize("user_id", ["", True, {}, [7], "x" * 257, "a\nb", 1.5, 10**300])
async def test_what_can_not_be_an_account_costs_no_connection(
    api: Interface, client: httpx.AsyncClient, sandbox: Sandbox, someone: Person, user_id: object
) -> None:
    callback = await begin(api, sandbox, someone, "fitbit")
    await sandbox.answer("fitbit", json.dumps(TOKENS | {"user_id": user_id}))
    connection = (await api.complete(someone.token, **callback)).connection["id"]
    assert await shown(client, api.origin, someone, connection) is None


async def test_an_account_that_is_there_twice_is_refused(api: Interface, sandbox: Sandbox, someone: Person) -> None:
    callback = await begin(api, sandbox, someone, "fitbit")
    await sandbox.answer("fitbit", json.dumps(TOKENS)[:-1] + ', "user_id": "a", "user_id": "b"}')
    assert (await api.complete(someone.token, **callback)).code == "PROVIDER_UNAVAILABLE"
