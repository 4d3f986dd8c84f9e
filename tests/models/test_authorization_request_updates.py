"""How PostgreSQL stores the updates of a request: within its page and without new index entries (HOT)."""

from __future__ import annotations

from typing import cast

import pytest

from models.audit_event import AuditEntry
from models.authorization_request import abandon_request, fail_claim, release_claim
from models.database import Database
from tests.models.flows import OWNER, add, begin, binding, claim, entry, grant, store
from tests.models.rows import run

UPDATES = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'authorization_request'"


async def test_no_update_of_a_request_changes_an_index(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("has no updates of this kind")
    nobody: AuditEntry = entry("PROVIDER_UNAVAILABLE", actor=None, user=None, provider=None)
    async with database.exclusively(2) as transaction:
        # An empty page has room for all of it. The server also counts what it has not reported yet.
        await run(transaction, "TRUNCATE authorization_request")
        ((updates, within_page),) = await run(transaction, UPDATES)
        session = cast("Database", transaction)
        await begin(session)
        assert await release_claim(session, binding(), OWNER)
        assert await claim(session)
        assert await store(session, await grant(session), 0)
        await begin(session, binding("s2"))
        assert await fail_claim(session, binding("s2"), OWNER, entry("CODE_EXPIRED"))
        await add(session, binding("s3"))
        assert await claim(session, binding("s3"), lease=-1)
        assert await abandon_request(session, "s3", "alice", nobody)
        assert await run(transaction, UPDATES) == [(updates + 8, within_page + 8)]
