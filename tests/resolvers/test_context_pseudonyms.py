"""Pseudonyms: the same in every process for the same user, under one key per database, whichever process makes it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from tortoise.migrations.executor import MigrationExecutor, MigrationTarget

from models.audit_key import audit_key
from models.database import Database, open_database
from models.migrating import APPS, migrate
from models.vault import Vault, VaultError, new_key, read_keys
from models.vault_key import VaultKeys
from resolvers.context import Pseudonyms
from resolvers.errors import ServiceUnavailable
from tests.databases import Database as Server
from tests.orm import orm_of


def vault(database: Database, *ids: str) -> VaultKeys:
    return VaultKeys(Vault({id_: read_keys(new_key(id_))[id_] for id_ in ids}), database)


async def test_one_key_whoever_makes_it(own_database: Server) -> None:
    await migrate(own_database.url)
    async with open_database(own_database.url) as database:
        ours = vault(database, "k1")
        keys = await asyncio.gather(*(audit_key(database, ours) for _ in range(20)))
        several = await asyncio.gather(*(Pseudonyms(database, ours).of("alice") for _ in range(20)))
        assert len(set(keys)) == len(set(several)) == 1
        pseudonyms = Pseudonyms(database, ours)
        assert await pseudonyms.of("bob") != several[0]
        assert await pseudonyms.of(None) is None
        # A user's id is text from a token, so any string must work.
        assert len(await pseudonyms.of("\ud800" * 5000) or "") == 32
    sealed = await own_database.fetch("SELECT sealed FROM audit_key")
    assert len(sealed) == 1
    assert keys[0] not in bytes(sealed[0][0])
    assert keys[0].hex().encode() not in bytes(sealed[0][0])


async def test_what_a_provider_gets_is_used_nowhere_else(own_database: Server) -> None:
    """An account's whoever connects it, and a user's without one; another at each provider and each of its sites."""
    await migrate(own_database.url)
    async with open_database(own_database.url) as database:
        ours = vault(database, "k1")
        first, second = Pseudonyms(database, ours), Pseudonyms(database, ours)
        account = await first.at_provider("acme", "", "alice", "sam")
        assert account == await second.at_provider("acme", "", "bob", "sam")
        all_ = {
            account,
            await first.at_provider("acme", "", "alice", None),
            await first.at_provider("acme", "", "bob", None),
            await first.at_provider("acme", "", "bob", "alice"),
            await first.at_provider("acme", "eu", "alice", "sam"),
            await first.at_provider("other", "", "alice", "sam"),
            await first.of("alice"),
            await first.of("sam"),
            await first.of_account("acme", "", "sam"),
        }
        assert len(all_) == 9
        assert {len(each or "") for each in all_} == {32}


async def test_a_process_with_other_keys(own_database: Server) -> None:
    """It can't open the key, and makes none, which would lock the others out."""
    await migrate(own_database.url)
    async with open_database(own_database.url) as database:
        ours, wrong = vault(database, "k1"), vault(database, "k1")
        await ours.check_active()
        with pytest.raises(VaultError):
            await audit_key(database, wrong)
        assert await own_database.fetch("SELECT * FROM audit_key") == []
        key = await audit_key(database, ours)
        for stranger in (wrong, vault(database, "k2")):
            with pytest.raises(ServiceUnavailable):
                await Pseudonyms(database, stranger).of("alice")
        assert await audit_key(database, ours) == key


@pytest.mark.parametrize("key_id", ["k1", "k2"])
async def test_a_vault_key_that_is_gone(own_database: Server, key_id: str) -> None:
    """If nothing else is sealed under it, users get new pseudonyms from then on, the same ones in every process."""
    await migrate(own_database.url)
    old, new = read_keys(new_key("k1")), read_keys(new_key(key_id))
    async with open_database(own_database.url) as database:
        gone, left = VaultKeys(Vault(old), database), VaultKeys(Vault(new), database)
        before = await audit_key(database, gone)
        await own_database.fetch("UPDATE vault_key SET created_at = '2020-01-01 00:00:00.000000+00:00'")
        keys = await asyncio.gather(*(audit_key(database, left) for _ in range(20)))
        assert len(set(keys)) == 1
        assert keys[0] != before
        # A process that has both keys uses the newest.
        both = VaultKeys(Vault(new if key_id == "k1" else old | new), database)
        assert await audit_key(database, both) == keys[0]


async def test_whoever_leaves_does_not_take_the_key_along(own_database: Server) -> None:
    await migrate(own_database.url)
    async with open_database(own_database.url) as database:
        ours = vault(database, "k1")
        pseudonyms = Pseudonyms(database, ours)
        first, second = [asyncio.create_task(pseudonyms.of("alice")) for _ in range(2)]
        await asyncio.sleep(0)
        first.cancel()
        assert await second == await Pseudonyms(database, ours).of("alice")


async def test_rows_from_before_name_nobody(empty_database: Server) -> None:
    """They are kept, without the users that they are about."""
    async with orm_of(empty_database.url) as orm:
        before = MigrationExecutor(orm.db("default"), APPS)
        await before.migrate([MigrationTarget("models", "0003_newest_tokens")])
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    at = str(moment) if empty_database.engine == "sqlite" else moment
    for number in range(3):
        await empty_database.fetch(
            "INSERT INTO audit_event (at, user_id, client_id, subject, action, provider, scopes, outcome, request_id) "
            "VALUES ($1, 'alice@example.org', 'app', 'alice@example.org', 'authorize', 'oura', '[]', 'ok', $2)",
            at,
            str(number),
        )
    await migrate(empty_database.url)
    rows = await empty_database.fetch("SELECT * FROM audit_event ORDER BY id")
    assert "alice" not in str(rows)
    columns = "id, count, actor, client_id, subject, action, provider, outcome, request_id"
    kept = await empty_database.fetch(f"SELECT {columns} FROM audit_event ORDER BY id")
    assert list(kept) == [
        (number + 1, 1, None, "app", None, "authorize", "oura", "ok", str(number)) for number in range(3)
    ]
    await empty_database.fetch(
        "INSERT INTO audit_event (at, action, scopes, outcome, request_id) VALUES ($1, 'read', '[]', 'ok', 'x')", at
    )
    assert await empty_database.value("SELECT max(id) FROM audit_event") == 4
