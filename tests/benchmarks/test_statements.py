"""The peers' statements do what Tendon's own do: both run on one database, for a user each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from msgspec.structs import asdict, astuple

from benchmarks.statements import statements
from models.authorization_request import StateBinding, add_request, claim_request
from models.connection import find_of_user
from models.database import open_database
from models.grant import Grant, store_grant
from tests.databases import Database
from tests.models.flows import VAULT, entry

_SCOPES: Final = '["sleep"]'
_TABLES: Final = (
    "SELECT * FROM authorization_request WHERE user_id = $1 ORDER BY state_hash",
    "SELECT * FROM connection WHERE user_id = $1",
    "SELECT at, count, actor, client_id, subject, action, provider, connection_id, scopes, outcome, request_id "
    "FROM audit_event WHERE actor = 'p-' || $1 ORDER BY id",
    "SELECT * FROM audit_subject WHERE user_id = $1",
    "SELECT * FROM account_owner WHERE user_id = $1",
)
_TIME: Final = re.compile(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\+00:00")
_SHOWN: Final = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def peer(shared_database: Database) -> Peer:
    return Peer(shared_database)


def new_user() -> str:
    return f"user-{uuid4().hex[:12]}"


# The peers know of no sites.
_BOUND = [name for name in StateBinding.__struct_fields__ if name != "site"]


def binding(user: str, flow: int) -> StateBinding:
    return StateBinding(f"state of {user} {flow}", user, "oura", "https://app.example/cb", "our-client")


class Peer:
    """Runs the statements as the peers do, for a user."""

    def __init__(self, database: Database) -> None:
        self.user = new_user()
        self._database = database
        self._statements = statements(database.engine)

    async def run(self, name: str, *values: Any) -> Sequence[Sequence[Any]]:
        text = self._statements[name]
        used = re.findall(r"[?$](\d+)", text)
        return await self._database.fetch(text, *values[: max(map(int, used))])

    async def begin(self, flow: int, lifetime: float = 600.0) -> None:
        bound = astuple(binding(self.user, flow))[: len(_BOUND)]
        request = (*bound, _SCOPES, b"sealed", lifetime)
        if self._database.engine == "postgres":
            await self.run("begin", *request, f"p-{self.user}", "r1")
            return
        await self.run("remember", *request)
        await self.run("audit", f"p-{self.user}", "authorize", "oura", None, _SCOPES, "r1")
        await self.run("named", f"p-{self.user}", self.user)

    async def claim(self, flow: int, **other: str) -> Sequence[Sequence[Any]]:
        bound = {**asdict(binding(self.user, flow)), **other}
        return await self.run("claim", *[bound[name] for name in _BOUND], "code", "owner", 15.0)

    async def store(self, flow: int, claimed_at: str, version: int, owner: str = "owner") -> Sequence[Sequence[Any]]:
        key = binding(self.user, flow).state_hash
        values = (key, owner, str(uuid4()), _SCOPES, b"access", b"refresh", 3600.0, claimed_at, version)
        if self._database.engine == "postgres":
            return await self.run("store", *values, f"p-{self.user}", "r1")
        rows = await self.run("upsert", *values)
        for identity, _, provider, *_ in rows:
            await self.run("end", key, identity)
            await self.run("audit", f"p-{self.user}", "complete", provider, identity, _SCOPES, "r1")
        return rows

    async def flow(self, flow: int) -> Sequence[Any]:
        await self.begin(flow)
        ((_, claimed_at, version),) = await self.claim(flow)
        (row,) = await self.store(flow, claimed_at, version or 0)
        return row


async def our_flow(url: str, user: str, flow: int) -> None:
    bound = binding(user, flow)
    caller: dict[str, Any] = {"actor": f"p-{user}", "subject": f"p-{user}", "user": user, "client_id": "dev"}
    async with open_database(url) as database:
        await add_request(database, bound, b"sealed", entry(action="authorize", **caller))
        claimed = await claim_request(database, bound, code_hash="code", owner="owner", lease=15.0)
        assert claimed is not None
        at = claimed.claimed_at
        grant = Grant(
            access_token="access", refresh_token="refresh", expires_at=at, account=None, granted_at=at, granted_by=at
        )
        assert await store_grant(database, VAULT, bound, "owner", grant, claimed.version, entry(**caller))


def _alike(value: Any, user: str) -> Any:
    """What both users' rows have in common."""
    if isinstance(value, datetime) or (isinstance(value, str) and _TIME.fullmatch(value)):
        return "a time"
    if isinstance(value, UUID) or (isinstance(value, str) and _ID.fullmatch(value)):
        return "an id"
    if isinstance(value, bytes):
        return "bytes"
    return value.replace(user, "the user") if isinstance(value, str) else value


async def rows(database: Database, user: str) -> list[list[list[Any]]]:
    return [[[_alike(value, user) for value in row] for row in await database.fetch(table, user)] for table in _TABLES]


@pytest.mark.parametrize("flows", [1, 2])
async def test_the_rows_are_those_that_tendon_writes(shared_database: Database, peer: Peer, flows: int) -> None:
    user = new_user()
    for flow in range(flows):
        await our_flow(shared_database.url, user, flow)
        await peer.flow(flow)
    ours = await rows(shared_database, user)
    assert [len(table) for table in ours] == [flows, 1, 2 * flows, 1, 0]
    assert await rows(shared_database, peer.user) == ours


async def test_an_answer_has_the_columns_of_a_list(shared_database: Database, peer: Peer) -> None:
    stored = await peer.flow(1)
    assert list(await peer.run("list", peer.user)) == [stored]
    identity, user, provider, status, last_sync_at, created_at = stored
    async with open_database(shared_database.url) as database:
        (connection,) = await find_of_user(database, peer.user)
    assert (identity, user, provider, status, last_sync_at) == (connection.id, peer.user, "oura", "connected", None)
    # On SQLite the contenders themselves cut the text.
    assert (_SHOWN if shared_database.engine == "postgres" else _TIME).fullmatch(created_at)


@pytest.mark.parametrize("differs", _BOUND)
async def test_a_claim_needs_all_that_the_state_is_bound_to(peer: Peer, differs: str) -> None:
    await peer.begin(1)
    assert await peer.claim(1, **{differs: "another"}) == []
    assert await peer.claim(1)
    assert await peer.claim(1) == []


async def test_an_expired_request_is_not_claimed(peer: Peer) -> None:
    await peer.begin(1, lifetime=-1.0)
    assert await peer.claim(1) == []


async def test_only_the_holder_of_the_claim_stores_and_only_over_the_version_that_it_read(
    shared_database: Database, peer: Peer
) -> None:
    await peer.flow(1)
    await peer.begin(2)
    ((_, claimed_at, version),) = await peer.claim(2)
    before = await rows(shared_database, peer.user)
    assert await peer.store(2, claimed_at, version, owner="another") == []
    assert await peer.store(2, claimed_at, version + 1) == []
    assert await rows(shared_database, peer.user) == before
    assert await peer.store(2, claimed_at, version)
