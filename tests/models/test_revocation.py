"""Revocations: sealed for their own row, given newer tokens while they wait, shown, and forgotten."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.connection import Tokens
from models.database import Database
from models.ids import new_id
from models.revocation import (
    Material,
    NewRevocation,
    add_revocation,
    delivery_in_progress,
    find_latest_of_user,
    find_pending_of,
    forget_revocations,
    open_material,
    replace_material,
    seal_material,
)
from models.vault import VaultError
from tests.models.flows import VAULT, connect
from tests.models.rows import run, value

CONNECTION = "0190163d-8694-739b-aea5-966c26f8ad91"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def new(token: str = "refresh", *, subject: str = "p-alice", provider: str = "oura") -> NewRevocation:
    id_ = new_id()
    material = seal_material(VAULT, id_, Material("access", token, "alice", None), provider)
    return NewRevocation(id_, provider, "", subject, "p-sam", material)


async def add(database: Database, added: NewRevocation | None = None, version: int = 1) -> str:
    added = added or new()
    await add_revocation(database, added, connection_id=CONNECTION, ended_version=version)
    return added.id


async def doubt(database: Database) -> None:
    """A refresh may have replaced its tokens."""
    await run(database, "UPDATE revocation SET unsure = true RETURNING id")


async def lease(database: Database, seconds: float, owner: str = "worker") -> None:
    text = "UPDATE revocation SET owner = :owner, lease_until = after(:seconds) RETURNING id"
    await run(database, text, owner=owner, seconds=seconds)


@given(TEXTS, st.none() | TEXTS, TEXTS, st.none() | TEXTS)
def test_the_material_opens_as_it_was(access: str, refresh: str | None, user: str, account: str | None) -> None:
    material = Material(access, refresh, user, account)
    assert open_material(VAULT, "id", seal_material(VAULT, "id", material, "oura"), "oura") == material


def test_the_material_opens_in_its_own_row_and_for_its_own_provider_only() -> None:
    sealed = seal_material(VAULT, "id", Material("canary", "canary", "canary", "canary"), "oura", "site")
    assert b"canary" not in sealed
    open_material(VAULT, "id", sealed, "oura", "site")
    for id_, provider, site in (("another", "oura", "site"), ("id", "another", "site"), ("id", "oura", "")):
        with pytest.raises(VaultError):
            open_material(VAULT, id_, sealed, provider, site)


def test_the_material_says_nothing_of_its_tokens() -> None:
    assert "canary" not in repr(Material("canary", "canary", "alice", None))
    exchanged = Material("a", "r", "alice", "sam").with_tokens(Tokens("b", None))
    assert exchanged == Material("b", None, "alice", "sam")


async def test_the_pending_one_of_a_connections_version(database: Database) -> None:
    assert await find_pending_of(database, CONNECTION, 1) is None
    id_ = await add(database)
    assert await find_pending_of(database, CONNECTION, 1) is None
    await doubt(database)
    assert await find_pending_of(database, CONNECTION, 1) == id_
    assert await find_pending_of(database, CONNECTION, 2) is None
    await lease(database, 30)
    assert await find_pending_of(database, CONNECTION, 1) is None
    await lease(database, -1)
    assert await find_pending_of(database, CONNECTION, 1) == id_
    await run(database, "UPDATE revocation SET status = 'delivered' RETURNING id")
    assert await find_pending_of(database, CONNECTION, 1) is None


async def test_newer_tokens_make_it_due(database: Database) -> None:
    id_ = await add(database)
    await run(database, "UPDATE revocation SET unsure = true, due_at = after(:later) RETURNING id", later=3600)
    assert await replace_material(database, id_, b"newer")
    columns = "material, unsure, owner, due_at <= now() AS is_due"
    assert await run(database, f"SELECT {columns} FROM revocation") == [(b"newer", 0, None, 1)]


async def test_newer_tokens_wait_for_what_a_delivery_may_have_sent(database: Database) -> None:
    """It can't end the revocation any more."""
    id_ = await add(database)
    await doubt(database)
    await run(database, "UPDATE revocation SET due_at = after(:later) RETURNING id", later=60)
    await lease(database, -1)
    assert await replace_material(database, id_, b"newer")
    columns = "owner <> 'worker' AS is_fenced, lease_until IS NULL AS no_lease, due_at <= now() AS is_due"
    assert await run(database, f"SELECT {columns} FROM revocation") == [(1, 0, 0)]


@pytest.mark.parametrize(
    "change", ["status = 'failed'", "owner = 'w', lease_until = after(:seconds)", "unsure = false"]
)
async def test_newer_tokens_come_too_late(database: Database, change: str) -> None:
    id_ = await add(database)
    await doubt(database)
    values = {"seconds": 30} if ":seconds" in change else {}
    await run(database, f"UPDATE revocation SET {change} RETURNING id", **values)
    assert not await replace_material(database, id_, b"newer")
    assert await value(database, "SELECT material FROM revocation") != b"newer"


async def test_newer_tokens_of_two_at_once(database: Database) -> None:
    """The others are told, so that they get revocations of their own."""
    id_ = await add(database)
    await doubt(database)
    numbers = range(5)
    replaced = await asyncio.gather(*(replace_material(database, id_, b"%d" % number) for number in numbers))
    (stored,) = [b"%d" % number for number in numbers if replaced[number]]
    assert await value(database, "SELECT material FROM revocation") == stored


async def test_a_delivery_is_seen_by_user_and_by_account(database: Database) -> None:
    await add(database)
    await lease(database, 30)
    for subject, account, provider, seen in (
        ("p-alice", None, "oura", True),
        ("p-bob", "p-sam", "oura", True),
        ("p-bob", "p-kim", "oura", False),
        ("p-alice", "p-sam", "fitbit", False),
        (None, None, "oura", False),
    ):
        assert await delivery_in_progress(database, subject, account, provider, "", 0) is seen
    await lease(database, -10)
    assert not await delivery_in_progress(database, "p-alice", None, "oura", "", 5)
    assert await delivery_in_progress(database, "p-alice", None, "oura", "", 30)


async def test_the_latest_of_each_connection(database: Database) -> None:
    id_ = await connect(database)
    for version, status in ((1, "delivered"), (3, "failed")):
        added = new()
        await add_revocation(database, added, connection_id=id_, ended_version=version)
        change = "UPDATE revocation SET status = :status, attempts = :attempts WHERE id = :id RETURNING id"
        await run(database, change, status=status, attempts=version, id=added.id)
    assert await find_latest_of_user(database, "alice") == {}
    await run(database, "UPDATE connection SET status = 'disconnected' RETURNING id")
    shown = (await find_latest_of_user(database, "alice"))[id_]
    assert (shown.status, shown.attempts, shown.delivered_at) == ("failed", 3, None)
    assert await find_latest_of_user(database, "bob") == {}


async def test_what_is_pending_is_not_forgotten(database: Database) -> None:
    ids = [await add(database) for _ in range(4)]
    await run(database, "UPDATE revocation SET status = 'delivered' WHERE id <> :kept RETURNING id", kept=ids[1])
    assert await forget_revocations(database, ids[3], 1) == [ids[0]]
    assert await forget_revocations(database, ids[3], 10) == [ids[2]]
    assert await forget_revocations(database, ids[3], 10) == []
    assert sorted(str(id_) for (id_,) in await run(database, "SELECT id FROM revocation")) == [ids[1], ids[3]]
