"""Connections: stored all or nothing with their request, renewed by compare-and-set, and newer tokens stay."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import astuple

from models.authorization_request import fail_claim
from models.connection import (
    ListedConnection,
    StoredConnection,
    find_by_id,
    find_of_user,
    list_of_user,
    seal_tokens,
    token_field,
)
from models.database import Database
from models.grant import StoredGrant, find_stored_by, set_account
from models.ids import new_id
from models.vault import VaultError
from tests.models.flows import OWNER, VAULT, add, begin, binding, code_of, connect, entry, grant, keep, move_all, store
from tests.models.rows import events, now, run, value, waits_for_a_lock

SOON = timedelta(seconds=30)
OLD = timedelta(hours=1)
COUNT = "SELECT count(*) FROM connection"


async def columns(database: Database, names: str, user: str = "alice") -> tuple[Any, ...]:
    (row,) = await run(database, f"SELECT {names} FROM connection WHERE user_id = :user", user=user)
    return row


async def opened(database: Database, user: str = "alice", provider: str = "oura") -> tuple[str | None, ...]:
    """The tokens of the row, opened for its version."""
    version, *sealed = await columns(database, "version, access_token, refresh_token", user)
    fields = [token_field(user, provider, version, column) for column in ("access_token", "refresh_token")]
    return tuple(None if one is None else VAULT.open(one, **field) for one, field in zip(sealed, fields, strict=True))


async def request(database: Database, names: str = "status, connection_id", key: str = "s1") -> tuple[Any, ...]:
    (row,) = await run(database, f"SELECT {names} FROM authorization_request WHERE state_hash = :key", key=key)
    return row


# Storing


async def test_a_new_connection(database: Database) -> None:
    await add(database, scopes='["sleep", "heart"]')
    await begin(database, binding("another"))
    await run(database, f"UPDATE authorization_request SET owner = '{OWNER}', status = 'exchanging'")
    granted = await grant(database, account="acc")
    stored = await store(database, granted, 0, scopes='["sleep"]', request_id="r2")
    assert stored is not None
    assert (stored.account_changed, stored.account_shared) == (False, False)
    shown = stored.connection
    assert (shown.user_id, shown.provider, shown.status, shown.account) == ("alice", "oura", "connected", "acc")
    assert (shown.requested_scopes, shown.granted_scopes) == (["sleep", "heart"], ["sleep"])
    assert (shown.last_sync_at, shown.version, shown.granted_at) == (None, 1, granted.granted_at)
    assert shown.created_at == shown.updated_at
    assert abs(datetime.fromisoformat(shown.created_at) - await now(database)) < SOON
    assert await columns(database, "expires_at, former_account") == (granted.expires_at, None)
    assert await opened(database) == ("access", "refresh")
    assert await find_of_user(database, "alice") == [shown]
    assert await find_by_id(database, shown.id) == shown
    told = await events(database, "action, outcome, connection_id, scopes, request_id")
    assert told[-1] == ("complete", "ok", shown.id, '["sleep"]', "r2")
    assert [action for action, *_ in told] == ["authorize", "authorize", "complete"]


async def test_its_request_is_completed_with_it(database: Database) -> None:
    await begin(database, binding("another"))
    identity = await connect(database)
    names = "status, connection_id, error, verifier, lease_until AS lease_at"
    assert await request(database, names) == ("completed", identity, None, None, None)
    assert await request(database, key="another") == ("exchanging", None)


async def test_a_token_that_was_not_given_is_not_stored(database: Database) -> None:
    await connect(database, refresh_token=None, expires_at=None)
    assert await opened(database) == ("access", None)
    assert await columns(database, "expires_at") == (None,)


async def test_connecting_again_keeps_the_id_and_renews_the_rest(database: Database) -> None:
    identity = await connect(database, account="acc")
    await run(database, "UPDATE connection SET status = 'error', created_at = after(:s), updated_at = after(:s)", s=-99)
    before = await find_by_id(database, identity)
    assert before is not None
    await add(database, binding("s2"), scopes='["heart"]')
    await run(database, f"UPDATE authorization_request SET owner = '{OWNER}', status = 'exchanging'")
    granted = await grant(database, "newer", refresh_token="newer refresh", account="acc", expires_at=None)
    stored = await store(database, granted, 1, binding("s2"), scopes='["heart"]')
    assert stored is not None
    after = stored.connection
    assert (after.id, after.created_at, after.version) == (identity, before.created_at, 2)
    renewed, made = datetime.fromisoformat(after.updated_at), datetime.fromisoformat(before.updated_at)
    assert renewed - made > timedelta(seconds=60)
    assert (after.status, after.account, after.granted_at) == ("connected", "acc", granted.granted_at)
    assert (after.requested_scopes, after.granted_scopes) == (["heart"], ["heart"])
    assert await columns(database, "expires_at, former_account") == (None, "acc")
    assert await opened(database) == ("newer", "newer refresh")
    assert (stored.account_changed, stored.account_shared) == (False, False)
    assert await value(database, COUNT) == 1


async def test_tokens_open_for_their_user_provider_version_and_column_only(database: Database) -> None:
    await connect(database)
    (sealed,) = await columns(database, "access_token")
    for changed in (
        ("bob", "oura", 1, "access_token"),
        ("alice", "fitbit", 1, "access_token"),
        ("alice", "oura", 2, "access_token"),
        ("alice", "oura", 1, "refresh_token"),
    ):
        with pytest.raises(VaultError):
            VAULT.open(sealed, **token_field(*changed))


async def test_users_and_providers_have_connections_of_their_own(database: Database) -> None:
    pairs = [(user, provider) for user in ("alice", "bob") for provider in ("oura", "fitbit")]
    for user, provider in pairs:
        await connect(database, binding(f"{user} {provider}", user=user, provider=provider))
    shown = "SELECT user_id, provider, version FROM connection"
    assert sorted(await run(database, shown)) == sorted((*pair, 1) for pair in pairs)


@pytest.mark.parametrize("changed", ["owner", "status", "state"])
async def test_nothing_is_stored_without_the_claim(database: Database, changed: str) -> None:
    await begin(database)
    await begin(database, binding("s2", user="bob"), owner="owner-2")
    of, owner = binding(), OWNER
    if changed == "owner":
        owner = "owner-2"
    elif changed == "state":
        of = binding("unknown")
    for status in ("pending", "completed", "failed") if changed == "status" else ("exchanging",):
        await run(database, f"UPDATE authorization_request SET status = '{status}'")
        assert await store(database, await grant(database), 0, of, owner) is None
        assert await keep(database, of, owner) is None
        assert await value(database, COUNT) == 0
        assert await request(database) == (status, None)
        assert await events(database) == [("authorize", "ok")] * 2


async def test_a_claim_that_another_ends_meanwhile_stores_nothing(database: Database) -> None:
    """The row of the request decides: whoever has it first."""
    await begin(database)
    granted = await grant(database)
    async with database.exclusively(2) as transaction:
        await run(transaction, "UPDATE authorization_request SET status = 'failed' WHERE state_hash = 's1'")
        storing = asyncio.create_task(store(database, granted, 0))
        await waits_for_a_lock(transaction, storing)
    assert await storing is None
    assert await value(database, COUNT) == 0
    assert await request(database) == ("failed", None)


# Flows of one user that overlap


async def test_a_connection_that_was_renewed_since_the_claim(database: Database) -> None:
    """Newer tokens replace older ones, sealed for the version that they make."""
    identity = await connect(database)
    await begin(database, binding("s2"))
    await connect(database, binding("s3"), "second")
    stored = await store(database, await grant(database, "third"), 1, binding("s2"))
    assert stored is not None
    assert (stored.connection.id, stored.connection.version) == (identity, 3)
    assert await opened(database) == ("third", "refresh")
    assert await request(database, key="s2") == ("completed", identity)


async def test_of_many_at_once_each_makes_a_version(database: Database) -> None:
    keys = [f"state {number}" for number in range(8)]
    for key in keys:
        await begin(database, binding(key), key)
    granted = await grant(database)
    outcomes = await asyncio.gather(*(store(database, granted, 0, binding(key), key) for key in keys))
    assert sorted(one.connection.version for one in outcomes if one) == list(range(1, 9))
    assert await columns(database, "version") == (8,)
    assert await opened(database) == ("access", "refresh")


async def test_of_many_first_callbacks_of_a_user_none_fails(database: Database) -> None:
    """PostgreSQL resolves conflicts on one of two keys, and refuses some of these rows by the other one."""
    for number in range(20):
        user = f"user-{number}"
        keys = [f"{user} {flow}" for flow in range(8)]
        for key in keys:
            await begin(database, binding(key, user=user), key)
        granted = await grant(database)
        stores = [store(database, granted, 0, binding(key, user=user), key) for key in keys]
        outcomes = await asyncio.gather(*stores)
        assert sorted(one.connection.version for one in outcomes if one) == list(range(1, 9))


async def test_a_store_of_the_previous_version_fails_without_a_trace(database: Database) -> None:
    """It knows of one connection for each user and provider. One that was not stopped before an update tells its
    callers, and whatever it did for a callback can be undone."""
    previous = """
        INSERT INTO connection (id, user_id, provider, created_at, updated_at, status, account, requested_scopes,
            granted_scopes, access_token, refresh_token, expires_at, granted_at, version)
        SELECT :id, user_id, provider, now(), now(), :status, :account, scopes,
            :scopes, :access_token, :refresh_token, :expires_at, :granted_at, :version + 1
        FROM authorization_request WHERE state_hash = :state_hash AND status = 'exchanging' FOR UPDATE
        ON CONFLICT (user_id, provider) DO UPDATE SET
            updated_at = excluded.updated_at, status = excluded.status, account = excluded.account,
            former_account = coalesce(connection.account, connection.former_account),
            requested_scopes = excluded.requested_scopes, granted_scopes = excluded.granted_scopes,
            access_token = excluded.access_token, refresh_token = excluded.refresh_token,
            expires_at = excluded.expires_at, granted_at = excluded.granted_at, version = excluded.version
        WHERE connection.version = :version RETURNING id"""
    for version in (0, 1):
        key = f"previous {version}"
        claimed = await begin(database, binding(key))
        granted = await grant(database, f"token {version}")
        tokens = seal_tokens(VAULT, "alice", "oura", version + 1, granted)
        values = {"account": "a", "expires_at": None, "granted_at": granted.granted_at, "version": claimed.version}
        names = {"id": new_id(), "status": "connected", "scopes": '["sleep"]', "state_hash": key}
        with pytest.raises(Exception, match=r"ON CONFLICT|SQLITE_ERROR"):
            await run(database, previous, **tokens, **values, **names)
        assert await request(database, key=key) == ("exchanging", None)
        assert await value(database, "SELECT count(*) FROM connection") == version
        await connect(database, binding(f"this {version}"))


async def test_each_site_of_a_provider_has_a_connection_of_its_own(database: Database) -> None:
    """Connecting again renews the one of the same site."""
    first = {site: await connect(database, binding(f"1 {site}", site=site)) for site in ("", "us", "eu")}
    assert len(set(first.values())) == len(first)
    assert await connect(database, binding("2 eu", site="eu"), "newer") == first["eu"]
    rows = await run(database, "SELECT site, version, access_token FROM connection ORDER BY site")
    assert [(site, version) for site, version, _ in rows] == [("", 1), ("eu", 2), ("us", 1)]
    for site, version, sealed in rows:
        field = token_field("alice", "oura", version, "access_token", site)
        assert VAULT.open(sealed, **field) == ("newer" if site == "eu" else "access")


async def test_flows_of_several_sites_at_once(database: Database) -> None:
    """Two of each. Those of one site count on in its connection, and not in that of the other."""
    for number in range(5):
        flows = {f"{number} {site} {flow}": site for site in ("us", "eu") for flow in range(2)}
        bindings = {key: binding(key, user=f"user-{number}", site=site) for key, site in flows.items()}
        for key, one in bindings.items():
            assert (await begin(database, one, key)).version == 0
        granted = await grant(database)
        outcomes = await asyncio.gather(*(store(database, granted, 0, one, key) for key, one in bindings.items()))
        stored = [(one.connection.site, one.connection.version) for one in outcomes if one]
        assert sorted(stored) == [("eu", 1), ("eu", 2), ("us", 1), ("us", 2)]


async def test_a_flow_that_comes_second_reads_the_version_of_its_own_site(database: Database) -> None:
    for number in range(3):
        await connect(database, binding(f"eu {number}", site="eu"))
    keys = ("us 1", "us 2")
    for key in keys:
        assert (await begin(database, binding(key, site="us"), key)).version == 0
    granted = await grant(database)
    async with asyncio.timeout(60):
        stored = [await store(database, granted, 0, binding(key, site="us"), key) for key in keys]
    assert [one and one.connection.version for one in stored] == [1, 2]


async def test_a_site_keeps_its_own_connection_if_another_has_newer_tokens(database: Database) -> None:
    await begin(database, binding("us", site="us"))
    older = await grant(database, "older")
    await connect(database, binding("eu", site="eu"), "newer")
    stored = await store(database, older, 0, binding("us", site="us"))
    assert stored is not None
    assert (stored.connection.site, stored.connection.version) == ("us", 1)
    # There is none to keep at a third one.
    await begin(database, binding("asia", site="asia"))
    assert await keep(database, binding("asia", site="asia")) is None
    await begin(database, binding("us again", site="us"))
    kept = await keep(database, binding("us again", site="us"))
    assert kept is not None
    assert kept.site == "us"


@pytest.mark.parametrize("claimed_before", [True, False])
async def test_a_connection_that_has_ended_is_renewed_by_callbacks_that_come_after_that(
    database: Database, *, claimed_before: bool
) -> None:
    identity = await connect(database)
    if claimed_before:
        await begin(database, binding("s2"))
    await run(database, "UPDATE connection SET status = 'disconnected', version = version + 1, consent = consent + 1")
    if not claimed_before:
        await begin(database, binding("s2"))
    stored = await store(database, await grant(database), 1 if claimed_before else 2, binding("s2"))
    assert (stored is None) == claimed_before
    assert await columns(database, "status, version") == (("disconnected", 2) if claimed_before else ("connected", 3))
    if claimed_before:
        kept = await keep(database, binding("s2"))
        assert kept is not None
        assert (kept.id, kept.status) == (identity, "disconnected")
    assert await request(database, key="s2") == ("completed", identity)


@pytest.mark.parametrize(("seconds", "superseded"), [(-9, False), (0, False), (9, True)])
async def test_older_tokens_do_not_replace_newer_ones(database: Database, seconds: float, *, superseded: bool) -> None:
    """`seconds` is by how much the stored tokens are newer than those that come. Equal ones can't be told apart."""
    for other in (binding("b", user="bob"), binding("f", provider="fitbit"), binding("z", user="zoe")):
        await connect(database, other)
    identity = await connect(database)
    await run(database, "UPDATE connection SET version = 5")
    claimed = await begin(database, binding("s2"))
    granted = await grant(database, "late")
    text = "UPDATE connection SET granted_at = :at, version = 6 WHERE id = :id"
    await run(database, text, at=granted.granted_by + timedelta(seconds=seconds), id=identity)
    before = await columns(database, "access_token", "bob")
    stored = await store(database, granted, claimed.version, binding("s2"), request_id="late")
    assert (stored is None) == superseded
    connection = stored.connection if stored else await keep(database, binding("s2"), request_id="late")
    assert connection is not None
    assert (connection.id, connection.version) == (identity, 6 if superseded else 7)
    assert await columns(database, "access_token", "bob") == before
    assert await request(database, key="s2") == ("completed", identity)
    names = "status, error, verifier, lease_until AS lease_at"
    assert await request(database, names, "s2") == ("completed", None, None, None)
    told = await events(database, "action, outcome, connection_id, request_id")
    assert [one for one in told if one[3] == "late"] == [("complete", "ok", identity, "late")]


async def test_tokens_of_which_nobody_knows_the_time_are_replaced(database: Database) -> None:
    """Rows from before `granted_at` was stored have none."""
    await connect(database)
    await run(database, "UPDATE connection SET granted_at = NULL")
    await begin(database, binding("s2"))
    stored = await store(database, await grant(database, "newer"), 0, binding("s2"))
    assert stored is not None
    assert stored.connection.version == 2
    assert await opened(database) == ("newer", "refresh")


# Accounts


async def reconnect(database: Database, account: str | None, times: int) -> tuple[bool, bool, list[tuple[Any, ...]]]:
    """What is noticed, and what the audit trail says of it beside `complete`."""
    key = f"again {times}"
    claimed = await begin(database, binding(key))
    stored = await store(
        database, await grant(database, account=account), claimed.version, binding(key), request_id=key
    )
    assert stored is not None
    told = await events(database, "action, outcome, connection_id, scopes, provider, request_id")
    noted = [one for one in told if one[5] == key and one[0] != "complete"]
    assert all(one[1:5] == ("ok", stored.connection.id, "[]", "oura") for one in noted)
    return stored.account_changed, stored.account_shared, [one[0] for one in noted]


async def test_another_account_than_the_last_known_one_is_noticed(database: Database) -> None:
    await connect(database, account="a")
    changes = [
        ("a", False, "a"),
        (None, False, "a"),
        # The last known one counts, although the last tokens had none.
        ("b", True, "a"),
        ("a", True, "b"),
        ("a", False, "a"),
    ]
    for times, (account, changed, former) in enumerate(changes):
        assert await reconnect(database, account, times) == (changed, False, ["account_changed"] if changed else [])
        assert await columns(database, "account, former_account") == (account, former)


async def test_an_account_that_another_user_has_is_noticed(database: Database) -> None:
    await connect(database, binding("b", user="bob"), account="a")
    await connect(database, binding("f", user="carol", provider="fitbit"), account="c")
    for times, (account, shared) in enumerate([("a", True), ("c", False), (None, False)]):
        # Each time in a new connection, so that nothing has changed.
        await run(database, "DELETE FROM connection WHERE user_id = 'alice'")
        assert await reconnect(database, account, times) == (False, shared, ["account_shared"] if shared else [])


async def test_the_users_own_connection_shares_nothing(database: Database) -> None:
    await connect(database, account="a")
    await connect(database, binding("f", provider="fitbit"), account="a")
    assert await reconnect(database, "a", 1) == (False, False, [])


async def account_set(database: Database, connection: StoredConnection, account: str | None) -> StoredGrant | None:
    return await set_account(database, connection, account, entry(request_id="later"))


async def test_an_account_that_is_known_later(database: Database) -> None:
    await connect(database, binding("b", user="bob"), account="b")
    await connect(database, account="a")
    await connect(database, binding("s2"))
    await connect(database, binding("c", user="carol"))
    (connection,) = await find_of_user(database, "alice")
    for account, changed, shared in (("a", False, False), ("b", True, True), ("c", True, False)):
        stored = await account_set(database, connection, account)
        assert stored is not None
        assert (stored.account_changed, stored.account_shared) == (changed, shared)
        assert stored.connection.account == account
        assert await columns(database, "account, version") == (account, 2)
    assert await columns(database, "account", "carol") == (None,)
    told = [one for one in await events(database, "action, outcome, connection_id, request_id") if one[3] == "later"]
    noted = ["account_changed", "account_changed", "account_shared"]
    assert told == [(action, "ok", connection.id, "later") for action in noted]


async def test_the_account_of_a_connection_that_was_renewed_is_left_alone(database: Database) -> None:
    await connect(database)
    (connection,) = await find_of_user(database, "alice")
    await connect(database, binding("s2"), account="newer")
    assert await account_set(database, connection, "older") is None
    assert await columns(database, "account") == ("newer",)
    assert not [one for one in await events(database, "action, request_id") if one[1] == "later"]


# Finding


async def test_connections_of_a_user_are_the_oldest_first(database: Database) -> None:
    for provider in ("a", "b", "c", "d"):
        await connect(database, binding(provider, provider=provider))
    await connect(database, binding("bob's", user="bob"))
    order = "UPDATE connection SET created_at = after(:seconds), id = :id WHERE provider = :provider"
    identity = "00000000-0000-7000-8000-00000000000{}"
    for provider, seconds, number in (("a", -10, 1), ("b", -30, 9), ("c", -20, 2), ("d", -20, 3)):
        await run(database, order, provider=provider, seconds=seconds, id=identity.format(number))
    # Of the same moment, by id.
    moment = "UPDATE connection SET created_at = (SELECT created_at FROM connection WHERE provider = 'd')"
    await run(database, f"{moment} WHERE provider = 'c'")
    found = await find_of_user(database, "alice")
    assert [one.provider for one in found] == ["b", "c", "d", "a"]
    await run(database, f"UPDATE connection SET id = '{identity.format(8)}' WHERE provider = 'c'")
    assert [one.provider for one in await find_of_user(database, "alice")] == ["b", "d", "c", "a"]
    assert [one.provider for one in await list_of_user(database, "alice")] == ["b", "d", "c", "a"]
    assert await find_of_user(database, "carol") == await list_of_user(database, "carol") == []


async def test_a_list_has_what_the_connections_have(database: Database) -> None:
    for provider in ("a", "b"):
        await connect(database, binding(provider, provider=provider))
    await run(database, "UPDATE connection SET last_sync_at = now(), pending_grant = id WHERE provider = 'b'")
    names = ListedConnection.__struct_fields__
    listed, found = await list_of_user(database, "alice"), await find_of_user(database, "alice")
    assert [astuple(one) for one in listed] == [tuple(getattr(one, name) for name in names) for one in found]
    assert [one.status for one in listed] == ["connected", "pending"]


async def test_a_connection_is_found_by_its_id(database: Database) -> None:
    await connect(database, binding("b", user="bob"))
    identity = await connect(database)
    found = await find_by_id(database, identity)
    assert found is not None
    assert (found.id, found.user_id) == (identity, "alice")
    assert await find_by_id(database, identity, "alice") == found
    assert await find_by_id(database, identity, "bob") is None
    assert await find_by_id(database, "00000000-0000-7000-8000-000000000000") is None


async def test_what_an_attempt_has_stored_is_found_by_its_owner(database: Database) -> None:
    await connect(database, binding("b", user="bob"))
    identity = await connect(database)
    found = await find_stored_by(database, binding(), OWNER, code_of())
    assert found is not None
    assert found.id == identity
    assert await find_stored_by(database, binding(), "owner-2", code_of()) is None
    assert await find_stored_by(database, binding("s2"), OWNER, code_of()) is None
    assert await find_stored_by(database, binding(user="bob"), OWNER, code_of()) is None
    await run(database, "UPDATE authorization_request SET status = 'failed'")
    assert await find_stored_by(database, binding(), OWNER, code_of()) is None


async def test_what_an_attempt_has_stored_is_found_after_its_request_was_moved(database: Database) -> None:
    """An attempt may stand still for long before it asks. Nobody knows its owner any more, but its code."""
    await connect(database, binding("b", user="bob"))
    identity = await connect(database)
    await begin(database, binding("s3"))
    await fail_claim(database, binding("s3"), OWNER, entry("CODE_EXPIRED"))
    await move_all(database)
    found = await find_stored_by(database, binding(), OWNER, code_of())
    assert found is not None
    assert found.id == identity
    assert await find_stored_by(database, binding(), OWNER, code_of("owner-2")) is None
    for other in (binding("s2"), binding(user="bob"), binding("s3"), binding(provider="fitbit")):
        assert await find_stored_by(database, other, OWNER, code_of()) is None


async def test_tokens_are_not_in_the_representation_of_a_grant(database: Database) -> None:
    shown = repr(await grant(database, "CANARY", refresh_token="CANARY"))
    assert "Grant" in shown
    assert "CANARY" not in shown
