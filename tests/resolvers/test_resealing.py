"""Resealing: everything ends up sealed with the active key, whatever else writes or dies meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator

import pytest

import tests.databases
from models.audit_key import audit_key
from models.connection import Tokens, seal_tokens
from models.database import Database, open_database
from models.vault import Vault
from models.vault_key import UnusableKeys, VaultKeys
from resolvers.resealing import Progress, Resealed, count_seals, reseal
from tests.models.rows import run, value
from tests.models.sealed_rows import vault
from tests.resolvers.conftest import _empty
from tests.resolvers.failing_database import FailingDatabase
from tests.sealed_values import add_connections, add_request, add_revocation, identity, opened

OLD = vault("k1")
BOTH = vault("k2", "k1")
NEW = vault("k2")


@pytest.fixture
async def database(migrated_database: tests.databases.Database) -> AsyncGenerator[Database]:
    await _empty(migrated_database)
    async with open_database(migrated_database.url) as database:
        await run(database, "DELETE FROM revocation")
        yield database


async def fill(database: Database, connections: int = 25) -> None:
    """A connection has two values, every tenth one."""
    await VaultKeys(OLD, database).check_active()
    await audit_key(database, VaultKeys(OLD, database))
    await add_connections(database, OLD, 0, connections)
    for number in range(3):
        await add_request(database, OLD, number)
        await add_revocation(database, OLD, number)


async def reseal_with(ours: Vault, database: Database) -> Resealed:
    return await reseal(database, VaultKeys(ours, database))


async def test_all_values_are_sealed_with_the_active_key(database: Database) -> None:
    await fill(database)
    shown = "SELECT id, version, updated_at FROM connection ORDER BY id"
    before, rows = await opened(database, OLD), await run(database, shown)
    result = await reseal_with(BOTH, database)
    assert result.complete
    assert result.values == {"connection": 47, "authorization_request": 3, "revocation": 3, "audit_key": 1}
    # All of it is the same, as is the audit trail's key, and the old key is not needed any more.
    assert await opened(database, NEW) == before
    assert await run(database, shown) == rows
    counts = await count_seals(database)
    assert (counts.of("k1"), counts.of("k2")) == ({}, dict(result.values))
    assert await reseal_with(BOTH, database) == Resealed()


async def test_an_empty_database(database: Database) -> None:
    assert await reseal_with(BOTH, database) == Resealed()
    assert (await count_seals(database)).key_ids == []


async def test_what_does_not_open_is_named_and_left_alone(database: Database) -> None:
    """A value that was changed, one that was moved, one that is none, and one of a key that is missing here."""
    await fill(database)
    await run(database, "UPDATE connection SET access_token = :new WHERE id = :id", new=b"?", id=identity(1))
    await run(database, "UPDATE connection SET access_token = refresh_token WHERE id = :id", id=identity(2))
    await run(
        database,
        "UPDATE revocation SET material = :new WHERE id = :id",
        new=OLD.seal("x", table="", row=(), column=""),
        id=identity(0),
    )
    await add_connections(database, vault("gone"), 100)
    before = await run(database, "SELECT id, access_token FROM connection ORDER BY id")
    result = await reseal_with(BOTH, database)
    assert {str(one) for one in result.damaged} == {
        f"access_token of connection {identity(1)}",
        f"access_token of connection {identity(2)}",
        f"material of revocation {identity(0)}",
    }
    assert (result.missing, result.late, result.left) == ({"gone": 1}, {}, {})
    assert not result.complete
    assert result.values["connection"] == 45
    after = await run(database, "SELECT id, access_token FROM connection ORDER BY id")
    unchanged = {row[0] for row in before if row in after}
    assert unchanged == {identity(1), identity(2), identity(100)}
    # The other token of such a row is resealed all the same.
    assert (await count_seals(database)).of("k1") == {"connection": 1, "revocation": 1}
    assert (await reseal_with(BOTH, database)).values == {}


async def test_a_process_that_lacks_a_key_that_is_used_reseals_nothing(database: Database) -> None:
    await fill(database)
    with pytest.raises(UnusableKeys):
        await reseal_with(NEW, database)
    assert (await count_seals(database)).of("k2") == {}


async def test_two_at_once_share_the_work(database: Database) -> None:
    await fill(database, 300)
    before = await opened(database, OLD)
    barrier, both = asyncio.Barrier(2), [FailingDatabase(database) for _ in range(2)]
    for one in both:
        one.delay("UPDATE connection ", barrier.wait)
    results = await asyncio.gather(*(reseal_with(BOTH, one) for one in both))
    assert all(result.complete and not result.late for result in results)
    assert sum((result.values for result in results), Counter[str]()).total() == len(before)
    assert all(result.values["connection"] for result in results)
    assert await opened(database, NEW) == before


class Stopped(Exception):
    """In the middle."""


async def test_one_that_was_stopped_is_continued(database: Database) -> None:
    await fill(database, 300)
    before = await opened(database, OLD)

    def stop(progress: Progress) -> None:
        if progress.left and progress.table == "connection":
            raise Stopped

    with pytest.raises(Stopped):
        await reseal(database, VaultKeys(BOTH, database), stop)
    done = sum((await count_seals(database)).of("k2").values())
    assert 0 < done < len(before)
    assert await opened(database, BOTH) == before
    result = await reseal_with(BOTH, database)
    assert sum(result.values.values()) == len(before) - done
    assert await opened(database, NEW) == before


async def test_values_that_another_process_seals_with_the_old_key_meanwhile(database: Database) -> None:
    """They are resealed, too, and it is said that there is such a process."""
    await fill(database)
    slow = FailingDatabase(database)
    slow.delay("UPDATE connection ", lambda: add_connections(database, OLD, 1000, 2))
    result = await reseal_with(BOTH, slow)
    assert (result.late, result.left, result.complete) == ({"k1": 3}, {}, True)
    assert (await count_seals(database)).of("k1") == {}


async def test_a_process_that_never_stops_to_seal_with_the_old_key(database: Database) -> None:
    """It does not keep this one for ever."""
    await fill(database)
    slow, numbers = FailingDatabase(database), iter(range(1000, 2000))
    slow.delay("UPDATE ", lambda: add_request(database, OLD, next(numbers)), times=float("inf"))
    result = await reseal_with(BOTH, slow)
    assert result.left["k1"] > 0
    assert result.late["k1"] > result.left["k1"]
    assert not result.complete
    assert (await count_seals(database)).of("k1") == {"authorization_request": result.left["k1"]}


async def test_tokens_that_are_stored_meanwhile_stay(database: Database) -> None:
    """As those of a refresh, with another version of the row."""
    await add_connections(database, OLD, 1)
    tokens = seal_tokens(NEW, "user-1", "oura", 3, Tokens("newer", "newer"))
    store = "UPDATE connection SET access_token = :access_token, refresh_token = :refresh_token, version = 3"
    slow = FailingDatabase(database)
    slow.delay("SELECT id, user_id", lambda: run(database, store, **tokens))
    result = await reseal_with(BOTH, slow)
    assert (result.values, result.complete) == ({}, True)
    assert set((await opened(database, NEW)).values()) == {"newer"}


async def test_progress(database: Database) -> None:
    await fill(database, 120)
    seen: list[Progress] = []
    await reseal(database, VaultKeys(BOTH, database), seen.append)
    working = [one for one in seen if one.left is not None]
    total = len(await opened(database, NEW))
    assert {one.table for one in working} == {"connection", "authorization_request", "revocation", "audit_key"}
    assert [one.done for one in working] == sorted(one.done for one in working)
    assert all(one.done + (one.left or 0) == total for one in working)
    assert (working[-1].done, working[-1].left) == (total, 0)
    assert Progress("connection", 120) in seen


async def test_the_key_of_the_audit_trail_stays(database: Database) -> None:
    key = await audit_key(database, VaultKeys(OLD, database))
    await reseal_with(BOTH, database)
    assert await audit_key(database, VaultKeys(NEW, database)) == key
    assert await value(database, "SELECT count(*) FROM audit_key") == 1
