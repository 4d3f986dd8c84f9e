"""Where sealed values are, and that a value is replaced only in the row that was read."""

from __future__ import annotations

import asyncio
import importlib
from types import ModuleType
from typing import Any

import pytest
from tortoise import fields
from tortoise.models import Model

from models.database import Database
from models.migrating import APPS
from models.sealed_tables import SEALED_TABLES, SealedRow, SealedTable, read_key_ids, read_rows, replace_seals
from models.vault import Vault
from tests.models.rows import run, value, waits_for_a_lock
from tests.models.sealed_rows import vault
from tests.sealed_values import add_connections, add_request, add_revocation, identity

# A record of a key is sealed with that key, and removed with it.
RECORDS = {("vault_key", "check")}
HASHES = {("ended_request", "state_hash"), ("ended_request", "code_hash")}
CONNECTION, REQUEST, REVOCATION, AUDIT_KEY = SEALED_TABLES


def test_every_column_of_bytes_is_known() -> None:
    """A new one that is sealed belongs into SEALED_TABLES: its values would be lost with their key."""
    modules = [importlib.import_module(name) for name in APPS["models"]["models"]]
    models = [one for module in modules for one in vars(module).values() if _is_model(one, module)]
    assert len(models) == len(modules)
    columns = {
        (str(model._meta.db_table), name)
        for model in models
        for name, kind in model._meta.fields_map.items()
        if isinstance(kind, fields.BinaryField)
    }
    assert columns - RECORDS - HASHES == {(table.name, column) for table in SEALED_TABLES for column in table.columns}


def _is_model(one: Any, module: ModuleType) -> bool:
    return isinstance(one, type) and issubclass(one, Model) and one.__module__ == module.__name__


async def rows_of(database: Database, table: SealedTable = CONNECTION) -> list[SealedRow]:
    heads = await read_key_ids(database, table, table.before_first, 1000)
    return await read_rows(database, table, table.before_first, heads[-1][0], 1000)


async def test_the_ids_of_the_keys_are_read_in_batches(database: Database) -> None:
    await add_connections(database, vault("k1"), 0, 3)
    await add_connections(database, vault("another-key_2"), 3, 2)
    await run(database, "UPDATE connection SET access_token = :damaged WHERE id = :id", damaged=b"?", id=identity(2))
    first = await read_key_ids(database, CONNECTION, CONNECTION.before_first, 3)
    # The first has no refresh token.
    assert [ids for _, ids in first] == [["k1"], ["k1", "k1"], [None, "k1"]]
    rest = await read_key_ids(database, CONNECTION, first[-1][0], 3)
    assert [(str(key[0]), ids) for key, ids in rest] == [
        (identity(number), ["another-key_2", "another-key_2"]) for number in (3, 4)
    ]
    assert await read_key_ids(database, CONNECTION, rest[-1][0], 3) == []


async def test_rows_with_a_key_of_two_columns_are_read_in_order(database: Database) -> None:
    for number in range(4):
        await add_request(database, vault("k1"), number)
    await run(database, "UPDATE authorization_request SET state_hash = 'same' WHERE user_id <> 'user-3'")
    found = await read_key_ids(database, REQUEST, ("same", "user-0"), 2)
    assert [key for key, _ in found] == [("same", "user-1"), ("same", "user-2")]
    rest = await read_key_ids(database, REQUEST, found[-1][0], 2)
    assert [key for key, _ in rest] == [("state-3", "user-3")]
    among = await read_rows(database, REQUEST, ("same", "user-0"), ("same", "user-2"), 10)
    assert [row.key for row in among] == [("same", "user-1"), ("same", "user-2")]


def again(ours: Vault, table: SealedTable, row: SealedRow) -> dict[str, bytes]:
    return {
        column: ours.seal("new", **table.field_of(row.values, column))
        for column in table.columns
        if row.values[column] is not None
    }


@pytest.mark.parametrize("table", SEALED_TABLES, ids=lambda table: table.name)
async def test_values_are_replaced(database: Database, table: SealedTable) -> None:
    ours = vault("k1")
    for number in range(2):
        await add_connections(database, ours, number)
        await add_request(database, ours, number)
        await add_revocation(database, ours, number)
        await run(
            database,
            "INSERT INTO audit_key (number, sealed, created_at) VALUES (:number, :sealed, now())",
            number=number,
            sealed=ours.seal("key", **AUDIT_KEY.field_of({"number": number}, "sealed")),
        )
    changes = [(row, again(ours, table, row)) for row in await rows_of(database, table)]
    others = [one for one in SEALED_TABLES if one is not table]
    before = {one.name: await rows_of(database, one) for one in others}
    assert await replace_seals(database, table, changes) == changes
    after = await rows_of(database, table)
    for row, (old, new) in zip(after, changes, strict=True):
        # Everything else is as it was, and what was null is null.
        assert row.values == {**old.values, **new}
    assert {one.name: await rows_of(database, one) for one in others} == before
    assert await replace_seals(database, table, changes) == []


@pytest.mark.parametrize(
    "change",
    [
        "version = version + 1",
        "access_token = refresh_token",
        "refresh_token = access_token",
        "refresh_token = NULL",
        "user_id = 'another'",
    ],
)
async def test_a_row_that_was_changed_meanwhile_is_left_alone(database: Database, change: str) -> None:
    await add_connections(database, vault("k1"), 1, 2)
    changes = [(row, again(vault("k1"), CONNECTION, row)) for row in await rows_of(database)]
    await run(database, f"UPDATE connection SET {change} WHERE id = :id", id=identity(1))
    before = (await rows_of(database))[0]
    assert await replace_seals(database, CONNECTION, changes) == changes[1:]
    assert (await rows_of(database))[0] == before


async def test_a_token_that_came_meanwhile_is_left_alone(database: Database) -> None:
    await add_connections(database, vault("k1"), 0)
    (row,) = await rows_of(database)
    assert row.values["refresh_token"] is None
    await run(database, "UPDATE connection SET refresh_token = access_token")
    assert await replace_seals(database, CONNECTION, [(row, again(vault("k1"), CONNECTION, row))]) == []


async def test_the_lease_of_a_refresh_stays_and_does_not_hinder(database: Database) -> None:
    await add_connections(database, vault("k1"), 1)
    changes = [(row, again(vault("k1"), CONNECTION, row)) for row in await rows_of(database)]
    lease = "UPDATE connection SET owner = 'me', epoch = epoch + 1, lease_until = now()"
    await run(database, lease)
    shown = "SELECT owner, epoch, version, updated_at, lease_until FROM connection"
    before = await run(database, shown)
    assert await replace_seals(database, CONNECTION, changes) == changes
    assert await run(database, shown) == before


async def test_rows_that_are_locked_do_not_hold_up_the_others(database: Database) -> None:
    """They are waited for one by one, so nobody waits for two rows."""
    await add_connections(database, vault("k1"), 0, 3)
    changes = [(row, again(vault("k1"), CONNECTION, row)) for row in await rows_of(database)]
    async with database.exclusively(1) as transaction:
        await run(transaction, "UPDATE connection SET expires_at = now() WHERE id = :id", id=identity(1))
        replacing = asyncio.create_task(replace_seals(database, CONNECTION, changes))
        await waits_for_a_lock(transaction, replacing)
        if database.dialect == "postgres":
            count = "SELECT count(*) FROM connection WHERE expires_at IS NULL AND access_token = :new"
            assert await value(transaction, count, new=changes[0][1]["access_token"]) == 1
    assert await replacing == changes
