"""One exchange per code, one connection per user and provider, and nobody finishes another's flow."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from models.connection import token_field
from models.vault import Vault, read_keys
from tests.conftest import Person, begin, start_gateway
from tests.databases import Database
from tests.interfaces import Answer, GraphQL, Interface, Rest, bearer
from tests.processes import Process
from tests.proxy import Proxy
from tests.sandbox_control import Sandbox
from tests.waiting import until


@pytest.fixture
def held_api(interface: type[Interface], client: httpx.AsyncClient, held_gateway: Process) -> Interface:
    return interface(client, held_gateway.origin)


async def hang_up(call: asyncio.Task[Answer]) -> None:
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call


async def test_the_same_callback_again_gives_the_same_connection(
    api: Interface, sandbox: Sandbox, someone: Person
) -> None:
    callback = await begin(api, sandbox, someone)
    first = await api.complete(someone.token, **callback)
    for _ in range(3):
        assert (await api.complete(someone.token, **callback)).payload == first.payload
    assert len(await sandbox.exchanges(callback["code"])) == 1


async def test_fifty_at_once_exchange_once(api: Interface, sandbox: Sandbox, someone: Person) -> None:
    callback = await begin(api, sandbox, someone)
    await sandbox.fault("sandbox", "slow", seconds=0.5)
    interfaces = [Rest(api._client, api.origin), GraphQL(api._client, api.origin)]
    answers = await asyncio.gather(
        *(interfaces[number % 2].complete(someone.token, **callback) for number in range(50))
    )
    assert len({answer.payload for answer in answers}) == 1
    assert answers[0].connection["status"] == "connected"
    assert len(await sandbox.exchanges(callback["code"])) == 1


async def test_a_hang_up_does_not_cancel_the_exchange(
    held_api: Interface, sandbox: Sandbox, provider: Proxy, someone: Person
) -> None:
    api = held_api
    callback = await begin(api, sandbox, someone)
    provider.hold_replies()
    hanging_up = asyncio.create_task(api.complete(someone.token, **callback))
    await sandbox.asked(callback["code"])
    await hang_up(hanging_up)
    provider.flow()
    assert (await api.complete(someone.token, **callback)).connection["status"] == "connected"
    assert len(await sandbox.exchanges(callback["code"])) == 1


async def test_of_two_flows_that_overlap_the_newer_tokens_stay(
    api: Interface, sandbox: Sandbox, someone: Person, gateway: Process, shared_database: Database
) -> None:
    """The first one's are issued first, and come last."""
    first, second = [await begin(api, sandbox, someone) for _ in range(2)]
    await sandbox.fault("sandbox", "slow", seconds=0.8)
    slow = asyncio.create_task(api.complete(someone.token, **first))
    await sandbox.asked(first["code"])
    quick = await api.complete(someone.token, **second)
    assert (await slow).payload == quick.payload
    vault = Vault(read_keys((gateway.folder / ".tendon" / "vault.keys").read_text()))
    tokens = "SELECT access_token, version FROM connection WHERE user_id = $1"
    ((sealed, version),) = await shared_database.fetch(tokens, someone.id)
    stored = vault.open(sealed, **token_field(someone.id, "sandbox", version, "access_token"))
    issued = [token["value"] for token in await sandbox.tokens() if token["kind"] == "access_token"]
    assert issued.index(stored) == len(issued) - 1


async def test_another_code_on_a_spent_state(api: Interface, sandbox: Sandbox, someone: Person) -> None:
    callback = await begin(api, sandbox, someone)
    await api.complete(someone.token, **callback)
    answer = await api.complete(someone.token, **callback | {"code": "another"})
    assert (answer.code, await sandbox.exchanges("another")) == ("INVALID_STATE", [])


async def test_only_the_initiator_finishes(api: Interface, sandbox: Sandbox, someone: Person, another: Person) -> None:
    callback = await begin(api, sandbox, someone)
    assert (await api.complete(another.token, **callback)).code == "INVALID_STATE"
    assert await sandbox.exchanges(callback["code"]) == []
    assert (await api.complete(someone.token, **callback)).code is None
    assert (await api.complete(another.token, **callback)).code == "INVALID_STATE"


@pytest.mark.parametrize(
    "change",
    [
        {"provider": "oura"},
        {"redirectUri": "https://app.example/oauth/callback/"},
        {"redirectUri": "https://app.example.evil.example/oauth/callback"},
        {"redirectUri": "http://127.0.0.1:9/done"},
        {"state": "0" * 40},
    ],
    ids=["provider", "slash", "host", "other", "state"],
)
async def test_a_state_is_bound(api: Interface, sandbox: Sandbox, someone: Person, change: dict[str, str]) -> None:
    callback = await begin(api, sandbox, someone)
    answer = await api.complete(someone.token, **callback | change)
    assert answer.code == "INVALID_STATE"
    assert await sandbox.exchanges(callback["code"]) == []
    assert (await api.complete(someone.token, **callback)).code is None


async def test_a_state_expires(api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database) -> None:
    callback = await begin(api, sandbox, someone)
    await _let_time_pass(shared_database, someone)
    assert (await api.complete(someone.token, **callback)).code == "INVALID_STATE"
    assert await sandbox.exchanges(callback["code"]) == []


async def test_a_callback_is_repeated_after_its_request_was_moved(
    interface: type[Interface],
    client: httpx.AsyncClient,
    sandbox: Sandbox,
    someone: Person,
    another: Person,
    settings: dict[str, str],
    own_database: Database,
    tmp_path: Path,
) -> None:
    """With its first authorize, a process clears whatever is past."""
    first, second = [start_gateway(tmp_path, settings, own_database) for _ in range(2)]
    try:
        api = interface(client, first.origin)
        callback = await begin(api, sandbox, someone)
        made = await api.complete(someone.token, **callback)
        refused = await begin(api, sandbox, someone, decision="deny")
        assert (await api.complete(someone.token, **refused)).code == "ACCESS_DENIED"
        await _let_time_pass(own_database, someone)
        await begin(interface(client, second.origin), sandbox, another)
        await until(lambda: _is_moved(own_database, someone), "the clearing")
        assert (await api.complete(someone.token, **callback)).payload == made.payload
        assert (await api.complete(someone.token, **refused)).code == "ACCESS_DENIED"
        for change in ({"code": "another"}, {"redirectUri": "https://app.example/other"}, {"provider": "oura"}):
            assert (await api.complete(someone.token, **callback | change)).code == "INVALID_STATE"
        assert (await api.complete(another.token, **callback)).code == "INVALID_STATE"
        assert len(await sandbox.exchanges(callback["code"])) == 1
    finally:
        for process in (first, second):
            process.kill()


@pytest.mark.parametrize("iss", [None, "", "https://evil.example", "HTTP://127.0.0.1"])
async def test_a_wrong_issuer_spends_nothing(
    api: Interface, sandbox: Sandbox, someone: Person, iss: str | None
) -> None:
    callback = await begin(api, sandbox, someone)
    assert callback["iss"] == sandbox.origin
    assert (await api.complete(someone.token, **callback | {"iss": iss})).code == "VALIDATION_ERROR"
    assert await sandbox.exchanges(callback["code"]) == []
    assert (await api.complete(someone.token, **callback)).code is None


async def test_a_no_at_the_provider_ends_the_request(api: Interface, sandbox: Sandbox, someone: Person) -> None:
    callback = await begin(api, sandbox, someone, decision="deny")
    assert callback["error"] == "access_denied"
    for _ in range(2):
        answer = await api.complete(someone.token, **callback)
        assert (answer.code, answer.status) == ("ACCESS_DENIED", 400 if isinstance(api, Rest) else 200)
    afterwards = await api.complete(someone.token, **callback | {"error": None, "code": "late"})
    assert (afterwards.code, await sandbox.exchanges("late")) == ("INVALID_STATE", [])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("server_error", "PROVIDER_UNAVAILABLE"),
        ("temporarily_unavailable", "PROVIDER_UNAVAILABLE"),
        ("unauthorized_client", "PROVIDER_MISCONFIGURED"),
        ("invalid_scope", "PROVIDER_MISCONFIGURED"),
        ("user_went_home", "ACCESS_DENIED"),
    ],
)
async def test_what_a_redirect_error_means(
    api: Interface, sandbox: Sandbox, someone: Person, error: str, code: str
) -> None:
    callback = await begin(api, sandbox, someone, decision="deny")
    answer = await api.complete(someone.token, **callback | {"error": error})
    assert answer.code == code
    assert error not in (answer.message or "")


async def test_a_registration_that_changed_is_not_redeemed(
    sandbox: Sandbox,
    someone: Person,
    client: httpx.AsyncClient,
    settings: dict[str, str],
    tmp_path: Path,
    own_database: Database,
) -> None:
    gateway = start_gateway(tmp_path, settings, own_database)
    callback = await begin(Rest(client, gateway.origin), sandbox, someone, "oura")
    gateway.stop()
    moved = start_gateway(tmp_path, settings | {"OURA_CLIENT_ID": "another"}, own_database)
    answer = await Rest(client, moved.origin).complete(someone.token, **callback)
    moved.stop()
    assert (answer.code, await sandbox.exchanges(callback["code"])) == ("INVALID_STATE", [])


async def test_a_claim_left_by_a_dead_process_ends_with_its_lease(
    sandbox: Sandbox,
    provider: Proxy,
    someone: Person,
    client: httpx.AsyncClient,
    held_gateway: Process,
    own_database: Database,
) -> None:
    gateway = held_gateway
    callback = await begin(Rest(client, gateway.origin), sandbox, someone)
    provider.hold_replies()
    task = asyncio.create_task(Rest(client, gateway.origin).complete(someone.token, **callback))
    await sandbox.asked(callback["code"])
    gateway.kill()
    with contextlib.suppress(httpx.HTTPError):
        await task
    assert await own_database.fetch("SELECT status FROM authorization_request") == [("exchanging",)]
    await own_database.fetch("UPDATE authorization_request SET lease_until = '2020-01-01 00:00:00.000000+00:00'")
    gateway.start()
    for _ in range(2):
        answer = await Rest(client, gateway.origin).complete(someone.token, **callback)
        assert answer.code == "PROVIDER_UNAVAILABLE"
    assert len(await sandbox.exchanges(callback["code"])) == 1


async def test_a_stop_lets_the_exchange_finish(
    sandbox: Sandbox,
    provider: Proxy,
    someone: Person,
    client: httpx.AsyncClient,
    held_gateway: Process,
    own_database: Database,
) -> None:
    callback = await begin(Rest(client, held_gateway.origin), sandbox, someone)
    provider.hold_replies()
    waiting = asyncio.create_task(Rest(client, held_gateway.origin).complete(someone.token, **callback))
    await sandbox.asked(callback["code"])
    await hang_up(waiting)
    held_gateway.tell(signal.SIGTERM)
    await until(lambda: "draining" in held_gateway.said, "the stop")
    provider.flow()
    assert await asyncio.to_thread(held_gateway.wait) == 0
    assert await own_database.fetch("SELECT status FROM connection") == [("connected",)]


async def test_a_database_that_stumbles_after_the_exchange(
    held_api: Interface,
    sandbox: Sandbox,
    provider: Proxy,
    someone: Person,
    held_gateway: Process,
    own_database: Database,
) -> None:
    """The code is spent by then, so what was received is stored as soon as it can be."""
    callback = await begin(held_api, sandbox, someone)
    provider.hold_replies()
    waiting = asyncio.create_task(held_api.complete(someone.token, **callback))
    await sandbox.asked(callback["code"])
    async with _without_table(own_database, "connection"):
        provider.flow()
        await until(lambda: "store.failed" in held_gateway.said, "a try to store")
    assert (await waiting).connection["status"] == "connected"
    assert len(await sandbox.exchanges(callback["code"])) == 1


async def test_a_database_that_is_away_before_the_exchange(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database
) -> None:
    callback = await begin(api, sandbox, someone)
    async with _without_table(shared_database, "authorization_request"):
        answer = await api.complete(someone.token, **callback)
    assert answer.code == "SERVICE_UNAVAILABLE"
    if isinstance(api, Rest):
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert await sandbox.exchanges(callback["code"]) == []
    assert (await api.complete(someone.token, **callback)).code is None


async def test_a_browser_callback_with_the_raw_body(
    api: Interface, sandbox: Sandbox, someone: Person, client: httpx.AsyncClient
) -> None:
    """Members that nobody knows are ignored by REST, as the published schema is open; GraphQL refuses them."""
    callback = await begin(api, sandbox, someone) | {"session_state": "x"}
    response = await client.post(
        f"{api.origin}/v1/connections/callback",
        content=json.dumps(callback),
        headers=bearer(someone.token) | {"Content-Type": "application/json; charset=UTF-8"},
    )
    assert response.status_code == 201
    assert (await GraphQL(client, api.origin).complete(someone.token, **callback)).code == "VALIDATION_ERROR"


@contextlib.asynccontextmanager
async def _without_table(database: Database, table: str) -> AsyncGenerator[None]:
    """Other tests share the database, so the table is back at the end, whatever happens."""
    await database.fetch(f"ALTER TABLE {table} RENAME TO elsewhere")
    try:
        yield
    finally:
        await database.fetch(f"ALTER TABLE elsewhere RENAME TO {table}")


async def _let_time_pass(database: Database, person: Person) -> None:
    past = "'2020-01-01 00:00:00.000000+00:00'"
    await database.fetch(f"UPDATE authorization_request SET expires_at = {past} WHERE user_id = $1", person.id)


async def _is_moved(database: Database, person: Person) -> bool:
    return not await database.value("SELECT count(*) FROM authorization_request WHERE user_id = $1", person.id)
