"""Authorization requests: what a state is bound to, who may claim it, and what ends the claim."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from models.authorization_request import (
    LIFETIME,
    RequestState,
    StateBinding,
    abandon_request,
    differing_column,
    fail_claim,
    find_request,
    release_claim,
    state_hash,
)
from models.database import Database
from tests.models.flows import LEASE, OWNER, PROVIDER, add, begin, binding, claim, code_of, connect, entry
from tests.models.rows import events, now, run, value

# Seconds between a statement and the look at its row.
SOON = timedelta(seconds=30)
BOUND = ("state_hash", "user_id", "provider", "redirect_uri", "registration")
COLUMNS = "status, code_hash, owner, error, verifier, lease_until AS lease_at, purge_after"


async def columns(database: Database, key: str = "s1", names: str = COLUMNS) -> tuple[Any, ...]:
    (row,) = await run(database, f"SELECT {names} FROM authorization_request WHERE state_hash = :key", key=key)
    return row


async def status(database: Database, key: str = "s1") -> str:
    return await value(database, "SELECT status FROM authorization_request WHERE state_hash = :key", key=key)


async def age(database: Database, column: str, seconds: float, key: str = "s1") -> None:
    """Move a time of the row to so many seconds from now."""
    text = f"UPDATE authorization_request SET {column} = after(:seconds) WHERE state_hash = :key"
    await run(database, text, seconds=seconds, key=key)


def test_a_state_is_stored_as_its_sha_256() -> None:
    # FIPS 180-2, appendix B.1.
    assert state_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_verifier_belongs_to_its_state_user_provider_and_redirect_uri() -> None:
    assert StateBinding("s", "u", "p", "r", "c").verifier_field == {
        "table": "authorization_request",
        "row": ("s", "u", "p", "r"),
        "column": "verifier",
    }


def test_a_request_lives_for_ten_minutes() -> None:
    assert timedelta(minutes=10) == LIFETIME


async def test_a_new_request(database: Database) -> None:
    await add(database)
    names = "user_id, provider, redirect_uri, registration, scopes, verifier, status, created_at, expires_at"
    *told, created, expires = await columns(database, names=names)
    assert told == ["alice", "oura", "https://app.example/cb", "our-client", '["sleep"]', b"sealed", "pending"]
    assert expires - created == LIFETIME
    assert abs(created - await now(database)) < SOON
    assert await columns(database, names="purge_after") == (None,)
    assert await events(database, "action, outcome, scopes, provider, count") == [
        ("authorize", "ok", '["sleep"]', "oura", 1)
    ]
    assert await run(database, "SELECT pseudonym, user_id FROM audit_subject") == [("p-alice", "alice")]


# Claiming


async def test_a_claim(database: Database) -> None:
    await add(database)
    before = await now(database)
    claimed = await claim(database)
    assert claimed is not None
    assert (claimed.scopes, claimed.verifier, claimed.version) == (["sleep"], b"sealed", 0)
    assert before <= claimed.claimed_at <= await now(database)
    told = await columns(database)
    assert told[:5] == ("exchanging", code_of(), OWNER, None, b"sealed")
    assert told[5] - claimed.claimed_at == timedelta(seconds=LEASE)


async def test_the_previous_version_deletes_no_request_that_was_claimed(database: Database) -> None:
    """It deletes what is older than `purge_after`, and sets that in each request that it makes."""
    await add(database)
    await age(database, "purge_after", 600)
    await claim(database)
    assert await columns(database, names="purge_after") == (None,)


async def test_one_of_many_gets_the_claim(database: Database) -> None:
    await add(database)
    claims = await asyncio.gather(*(claim(database, owner=f"owner-{number}") for number in range(20)))
    assert sum(claimed is not None for claimed in claims) == 1


@pytest.mark.parametrize("name", BOUND)
async def test_a_callback_must_match_all_that_the_state_is_bound_to(database: Database, name: str) -> None:
    await add(database)
    other = replace(binding(), **{name: "other"})
    assert await claim(database, other) is None
    assert await find_request(database, other, code_of()) is None
    assert await status(database) == "pending"
    # There is nothing to compare with a state that is not known.
    assert await differing_column(database, other) == (None if name == "state_hash" else name)


async def test_the_first_difference_is_named_and_equal_requests_have_none(database: Database) -> None:
    await add(database)
    assert await differing_column(database, binding()) is None
    other = replace(binding(), **dict.fromkeys(BOUND[2:], "other"))
    assert await differing_column(database, other) == "provider"
    await add(database, binding("s2", user="bob"))
    assert await differing_column(database, binding("s2")) == "user_id"


@pytest.mark.parametrize("other", ["exchanging", "completed", "failed"])
async def test_only_a_pending_request_is_claimed(database: Database, other: str) -> None:
    await add(database)
    await run(database, f"UPDATE authorization_request SET status = '{other}'")
    assert await claim(database) is None


@pytest.mark.parametrize(("seconds", "is_claimed"), [(-1, False), (30, True)])
async def test_a_request_is_claimed_until_it_expires(database: Database, seconds: float, *, is_claimed: bool) -> None:
    await add(database)
    await age(database, "expires_at", seconds)
    assert (await claim(database) is not None) == is_claimed


async def test_a_claim_returns_the_version_of_the_users_connection_to_the_provider(database: Database) -> None:
    for of, version in ((binding("a", user="bob"), 5), (binding("b", provider="fitbit"), 7), (binding("c"), 3)):
        await connect(database, of)
        text = "UPDATE connection SET version = :version WHERE user_id = :user AND provider = :provider"
        await run(database, text, version=version, user=of.user_id, provider=of.provider)
    assert (await begin(database)).version == 3
    assert (await begin(database, binding("s2", user="carol"))).version == 0


# Ending a claim


async def test_a_released_request_is_as_before(database: Database) -> None:
    await add(database)
    before = await columns(database)
    await claim(database)
    assert await release_claim(database, binding(), OWNER) is True
    assert await columns(database) == before
    assert await claim(database, owner="owner-2") is not None


async def test_a_failed_request_keeps_its_error(database: Database) -> None:
    await begin(database)
    assert await fail_claim(database, binding(), OWNER, entry("CODE_EXPIRED", request_id="r2")) is True
    assert await columns(database) == ("failed", code_of(), OWNER, "CODE_EXPIRED", None, None, None)
    assert await events(database, "action, outcome, request_id, provider, subject, connection_id") == [
        ("authorize", "ok", "r1", "oura", "p-alice", None),
        ("complete", "CODE_EXPIRED", "r2", "oura", "p-alice", None),
    ]


async def end_by_release(database: Database, of: StateBinding, owner: str) -> bool:
    return await release_claim(database, of, owner)


async def end_by_failure(database: Database, of: StateBinding, owner: str) -> bool:
    return await fail_claim(database, of, owner, entry("CODE_EXPIRED"))


ENDS = pytest.mark.parametrize("end", [end_by_release, end_by_failure])


@ENDS
async def test_a_claim_is_ended_by_its_owner_only(database: Database, end: Any) -> None:
    await begin(database)
    before = await columns(database)
    assert await end(database, binding(), "owner-2") is False
    assert await end(database, binding(user="bob"), OWNER) is False
    assert await columns(database) == before
    assert await events(database) == [("authorize", "ok")]
    assert await end(database, binding(), OWNER) is True


@ENDS
async def test_a_claim_that_has_ended_is_not_ended_again(database: Database, end: Any) -> None:
    await begin(database)
    for ended in ("pending", "completed", "failed"):
        await run(database, f"UPDATE authorization_request SET status = '{ended}'")
        assert await end(database, binding(), OWNER) is False
        assert await status(database) == ended


@ENDS
async def test_only_the_claim_of_that_state_is_ended(database: Database, end: Any) -> None:
    for key in ("s1", "s2"):
        await begin(database, binding(key))
    assert await end(database, binding(), OWNER) is True
    assert await status(database, "s2") == "exchanging"
    assert await status(database) != "exchanging"


async def test_a_lease_that_is_over_does_not_stop_its_owner(database: Database) -> None:
    """As long as nobody else has ended the claim."""
    await begin(database)
    await age(database, "lease_until", -1)
    assert await release_claim(database, binding(), OWNER) is True


# Looking at a request


async def test_a_request_as_it_is_now(database: Database) -> None:
    await add(database)
    assert await find_request(database, binding(), code_of()) == RequestState("pending", None, None, None, False, None)
    await claim(database)
    found = await find_request(database, binding(), code_of())
    assert found == RequestState("exchanging", True, None, None, False, False)
    await fail_claim(database, binding(), OWNER, entry("CODE_EXPIRED"))
    found = await find_request(database, binding(), code_of())
    assert found == RequestState("failed", True, "CODE_EXPIRED", None, False, None)
    found = await find_request(database, binding(), code_of("owner-2"))
    assert found == RequestState("failed", False, "CODE_EXPIRED", None, False, None)


async def test_a_completed_request_names_its_connection(database: Database) -> None:
    identity = await connect(database)
    found = await find_request(database, binding(), code_of())
    assert found is not None
    assert (found.status, str(found.connection_id), found.lease_over) == ("completed", identity, None)


@pytest.mark.parametrize(("seconds", "over"), [(-1, True), (30, False)])
async def test_a_request_expires_and_its_lease_ends(database: Database, seconds: float, *, over: bool) -> None:
    await begin(database)
    await age(database, "expires_at", seconds)
    found = await find_request(database, binding(), code_of())
    assert found is not None
    assert (bool(found.expired), bool(found.lease_over)) == (over, False)
    await age(database, "expires_at", 30)
    await age(database, "lease_until", seconds)
    found = await find_request(database, binding(), code_of())
    assert found is not None
    assert (bool(found.expired), bool(found.lease_over)) == (False, over)


# Abandoning


async def set_status(database: Database, key: str, to: str) -> None:
    await run(database, f"UPDATE authorization_request SET status = '{to}' WHERE state_hash = :key", key=key)


async def abandon(database: Database, key: str = "s1", user: str = "alice") -> str | None:
    nobody: dict[str, Any] = {"actor": None, "user": None, "client_id": None, "provider": None, "request_id": "r9"}
    return await abandon_request(database, key, user, entry("PROVIDER_UNAVAILABLE", **nobody))


async def test_a_claim_whose_lease_is_over_is_abandoned_once(database: Database) -> None:
    await begin(database)
    await age(database, "lease_until", -1)
    # As the previous version has claimed it.
    await age(database, "purge_after", -1)
    outcomes = await asyncio.gather(*(abandon(database) for _ in range(5)))
    assert sorted(outcomes, key=str) == [None] * 4 + [PROVIDER]
    assert await columns(database) == ("failed", code_of(), OWNER, "PROVIDER_UNAVAILABLE", None, None, None)
    assert await events(database, "action, outcome, provider, actor, subject, request_id") == [
        ("authorize", "ok", "oura", "p-alice", "p-alice", "r1"),
        ("complete", "PROVIDER_UNAVAILABLE", "oura", None, "p-alice", "r9"),
    ]


async def test_a_claim_whose_lease_runs_is_not_abandoned(database: Database) -> None:
    await begin(database)
    await age(database, "lease_until", 30)
    assert await abandon(database) is None
    assert await status(database) == "exchanging"
    assert await events(database) == [("authorize", "ok")]


@pytest.mark.parametrize("other", ["pending", "completed", "failed"])
async def test_only_a_claim_is_abandoned(database: Database, other: str) -> None:
    await begin(database)
    await age(database, "lease_until", -1)
    await set_status(database, "s1", other)
    assert await abandon(database) is None
    assert await status(database) == other


async def test_only_the_request_of_that_state_is_abandoned(database: Database) -> None:
    for key in ("s1", "s2"):
        await begin(database, binding(key))
        await age(database, "lease_until", -1, key)
    assert await abandon(database, "s2", "bob") is None
    assert await abandon(database, "s2") == PROVIDER
    assert (await status(database), await status(database, "s2")) == ("exchanging", "failed")
