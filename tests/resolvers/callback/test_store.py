"""Storing what a provider gave: which tokens and scopes, how long it is tried, and what becomes of tokens that are not
stored."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from models.engine import Violation
from models.revocation import open_material
from models.vault import VaultError
from resolvers.callback.claims import Callback
from resolvers.ending.disconnect import disconnect_connection
from tests.loop_clock import LoopClock, happened
from tests.resolvers.failing_database import CLAIM, CLOCK, END, REPLACED, REVOKE, STORE
from tests.resolvers.world import LEASE, World
from wire.waiting import release_slot

IN_DOUBT = "The connection may have been stored. Send the same callback again to find out."
TOKENS = ("access_token", "refresh_token")
LATER = "'2099-01-01 00:00:00.000000+00:00'"
LOST = "The connection could not be stored. Start it again."


async def completed(world: World, clock: LoopClock, callback: Callback, user: str = "alice") -> Any:
    """The problem that the callback ends with, as soon as it has ended. None if it is a connection."""

    async def complete() -> Any:
        try:
            return await world.problem(user, callback)
        except AssertionError:
            return None

    task = asyncio.create_task(complete())
    await clock.until(task.done)
    return await task


async def given_up(world: World) -> list[tuple[str | None, ...]]:
    """The tokens in the revocations that wait for the worker, with their user and account."""
    rows = await world.outside.fetch(
        "SELECT id, material, provider FROM revocation WHERE status = 'pending' ORDER BY id"
    )
    vault = world.resources.vault
    opened = [open_material(vault, str(id_), bytes(material), provider) for id_, material, provider in rows]
    return [(one.access_token, one.refresh_token, one.user, one.account) for one in opened]


def surrendered(world: World) -> list[str]:
    """What the log says of tokens that are stored nowhere."""
    lines = [line for line in world.logged if line["log_level"] != "debug"]
    return [line["event"] for line in lines if line["event"].startswith("surrender.")]


# What is stored


async def test_the_tokens_in_the_row_are_the_providers_own(world: World) -> None:
    """Sealed, so that nobody reads them in the database, and opened, they are what the provider issued."""
    before = datetime.now(UTC)
    connection = await world.connect("alice")
    (issued,) = world.provider.issued
    assert await world.stored_tokens("alice") == (issued["access_token"], issued["refresh_token"])
    assert connection.granted_at is not None
    assert before - timedelta(milliseconds=2) <= connection.granted_at <= datetime.now(UTC)
    columns = "SELECT status, version, access_token, refresh_token, expires_at, account FROM connection"
    ((status, version, access, refresh, expires_at, account),) = await world.outside.fetch(columns)
    assert (status, version, account) == ("connected", 1, None)
    for sealed, token in ((access, issued["access_token"]), (refresh, issued["refresh_token"])):
        assert token.encode() not in bytes(sealed)
    lifetime = datetime.fromisoformat(str(expires_at)) - before
    assert timedelta(seconds=3599) < lifetime < timedelta(seconds=3660)


async def test_a_provider_without_refresh_tokens(world: World) -> None:
    world.provider.tokens = {"refresh_token": None, "expires_in": None}
    await world.connect("alice")
    assert await world.stored_tokens("alice") == (world.provider.issued[0]["access_token"], None)
    assert await world.outside.value("SELECT expires_at FROM connection") is None


async def test_connecting_again_renews_the_tokens(world: World) -> None:
    """The connection is the same; the older tokens open no more."""
    first = await world.connect("alice")
    old = await world.outside.fetch("SELECT access_token FROM connection")
    second = await world.connect("alice")
    assert (second.id, second.created_at, second.version) == (first.id, first.created_at, 2)
    issued = world.provider.issued[1]
    assert await world.stored_tokens("alice") == (issued["access_token"], issued["refresh_token"])
    await world.outside.fetch("UPDATE connection SET access_token = $1", old[0][0])
    with pytest.raises(VaultError):
        await world.stored_tokens("alice")


async def test_connecting_again_stores_the_new_tokens_after_the_clock_stepped_back(world: World) -> None:
    """Only what was renewed since the claim can be newer. The user's other connections, and those of other users at the
    provider, are another matter."""
    other = await world.connect("alice", "other")
    await world.connect("alice", "other")
    for _ in range(3):
        await world.connect("bob")
    await world.connect("alice")
    later = "'2099-01-01 00:00:00.000000+00:00'"
    await world.outside.fetch(f"UPDATE connection SET granted_at = {later}")
    connection = await world.connect("alice")
    issued = world.provider.issued[-1]
    assert await world.stored_tokens("alice") == (issued["access_token"], issued["refresh_token"])
    assert (connection.version, connection.id == other.id) == (2, False)
    assert not world.said("connection.newer")


async def test_of_two_flows_that_overlap_the_newer_tokens_stay(world: World) -> None:
    """The first one's are issued first, and come last. Both callbacks get the connection."""
    first, second = [await world.begin("alice") for _ in range(2)]
    with world.clock() as clock:
        # No claim seems slow then, so their times are exact.
        world.database.fail(STORE, meanwhile=lambda: world.complete("alice", second))
        completing = asyncio.create_task(world.complete("alice", first))
        await clock.until(completing.done)
        connection = await completing
    assert await world.stored_tokens("alice") == world.provider.last
    assert connection == await world.complete("alice", second)
    assert connection.version == 1
    assert await world.status("alice") == ["completed", "completed"]
    assert [line["provider"] for line in world.said("connection.newer")] == ["acme"]


async def test_if_the_clock_can_not_tell_which_tokens_are_newer_the_last_stay(world: World) -> None:
    first, second = [await world.begin("alice") for _ in range(2)]
    with world.clock() as clock:
        world.database.delay(CLAIM, lambda: clock.advance(0.6))
        world.database.delay(CLOCK, lambda: clock.advance(0.5), times=3)
        world.database.fail(STORE, meanwhile=lambda: world.complete("alice", second))
        assert await completed(world, clock, first) is None
    assert await world.stored_tokens("alice") == tuple(world.provider.issued[0][name] for name in TOKENS)
    assert not world.said("connection.newer")


async def test_a_row_that_another_flow_has_just_made(world: World) -> None:
    """PostgreSQL may refuse the second of two by another key than the one that resolves conflicts."""
    first, second = [await world.begin("alice") for _ in range(2)]
    error = Violation("connection", is_missing=False)
    world.database.fail(STORE, error=error, meanwhile=lambda: world.complete("alice", second))
    connection = await world.complete("alice", first)
    assert connection.id == (await world.complete("alice", second)).id
    assert await world.status("alice") == ["completed", "completed"]


# The granted scopes


@pytest.mark.parametrize(
    ("slug", "answered", "redirected", "granted"),
    [
        ("acme", None, None, ["sleep", "offline"]),
        ("acme", None, "", ["sleep", "offline"]),
        ("acme", None, "sleep", ["sleep"]),
        ("acme", None, "offline  sleep", ["sleep", "offline"]),
        ("acme", None, "sleep admin", ["sleep"]),
        ("acme", None, "admin", []),
        ("acme", "sleep", None, ["sleep"]),
        ("acme", "sleep", "offline", ["sleep"]),
        ("acme", "sleep more", None, ["sleep", "more"]),
        ("comma", None, "a,c", ["a", "c"]),
        ("comma", None, "a c", ["a", "c"]),
        ("comma", None, "a.b", []),
        ("prefix", None, "x:a c x:other", ["a", "c"]),
        ("prefix", "x:a c", "x:b", ["a", "c"]),
        ("dot", None, "a.c", ["a", "c"]),
        ("dot", None, "abc", []),
    ],
)
async def test_what_was_granted(
    any_world: World, slug: str, answered: str | None, redirected: str | None, granted: list[str]
) -> None:
    """As the answer says, else as the redirect says, which came through the browser and can't widen anything."""
    any_world.provider.tokens = {"scope": answered}
    callback = replace(await any_world.begin("alice", slug), scope=redirected)
    connection = await any_world.complete("alice", callback)
    assert connection.granted_scopes == granted
    assert connection.requested_scopes == (["sleep", "offline"] if slug == "acme" else ["a", "b", "c"])
    assert (await any_world.events("outcome, scopes"))[-1] == ("ok", json.dumps(granted))


# A database that is away


async def test_storing_is_tried_until_shortly_before_the_lease_ends(any_world: World) -> None:
    """Then the tokens are revoked, and the user starts again."""
    callback = await any_world.begin("alice", "revoking")
    with any_world.clock() as clock:
        any_world.database.fail(STORE, times=100)
        began = clock.now
        problem = await completed(any_world, clock, callback)
        assert (problem.code, problem.message, problem.retry_after) == ("SERVICE_UNAVAILABLE", LOST, 1)
        tries = [moment - began for moment in any_world.database.moments(STORE)]
        assert tries[:6] == pytest.approx([0, 0.05, 0.15, 0.4, 0.9, 1.9], abs=0.06)
        assert [round(after - before) for before, after in pairwise(tries[5:])] == [1] * (len(tries) - 6)
        assert LEASE - 0.5 - 1.1 <= tries[-1] < LEASE - 0.5
        await happened(lambda: any_world.said("surrender.recorded"))
    failed = any_world.said("store.failed")
    assert [(line["provider"], line["error"]) for line in failed] == [("revoking", "FAULT")] * len(tries)
    (end,) = any_world.said("store.given.up")
    assert (end["provider"], end["tries"], end["in_doubt"]) == ("revoking", len(tries), False)
    assert await given_up(any_world) == [(*any_world.provider.last, "alice", None)]
    assert await any_world.outside.fetch("SELECT id FROM connection") == []


async def test_a_database_that_stumbles_costs_no_connection(world: World) -> None:
    callback = await world.begin("alice")
    world.database.fail(STORE, times=2)
    assert (await world.complete("alice", callback)).status == "connected"
    assert await world.stored_tokens("alice") == world.provider.last
    assert len(world.provider.asked()) == 1


async def test_whoever_waits_for_the_database_leaves_the_slot_of_the_request_to_others(any_world: World) -> None:
    callback = await any_world.begin("alice")
    any_world.database.fail(STORE, times=3)
    released: list[float] = []

    @contextmanager
    def released_slot() -> Generator[None]:
        released.append(any_world.database.count(STORE))
        yield

    token = release_slot.set(released_slot)
    await any_world.complete("alice", callback)
    release_slot.reset(token)
    assert [tries for tries in released if tries] == [1, 2, 3]


async def test_a_write_whose_answer_got_lost_is_found(world: World) -> None:
    """It is the caller's, and there is nothing to revoke."""
    callback = await world.begin("alice", "revoking")
    world.database.fail(STORE, done=True, in_doubt=True)
    connection = await world.complete("alice", callback)
    assert connection == await world.complete("alice", callback)
    await world.drained()
    assert await given_up(world) == []
    assert [outcome for _, outcome in await world.events()] == ["ok", "ok", "replayed"]


async def test_a_write_in_doubt_that_happened(world: World) -> None:
    """The caller hears that it may have happened, and the same callback finds it. Its tokens are kept."""
    callback = await world.begin("alice", "revoking")
    with world.clock() as clock:
        world.database.fail(STORE, done=True, in_doubt=True)
        world.database.fail(STORE, times=100)
        problem = await completed(world, clock, callback)
        assert (problem.code, problem.message, problem.retry_after) == ("SERVICE_UNAVAILABLE", IN_DOUBT, 1)
        assert world.said("store.given.up")[0]["in_doubt"]
        await clock.until(lambda: world.said("store.found"))
        assert (await world.complete("alice", callback)).status == "connected"
    await world.drained()
    assert await given_up(world) == []
    assert await world.stored_tokens("alice", "revoking") == world.provider.last


async def test_a_write_in_doubt_that_did_not_happen(world: World) -> None:
    """The tokens are revoked once that is sure, and the request ends, so that nothing can store them later."""
    callback = await world.begin("alice", "revoking")
    with world.clock() as clock:
        world.database.fail(STORE, in_doubt=True)
        world.database.fail(STORE, times=100)
        world.database.fail(END, times=2)
        problem = await completed(world, clock, callback)
        assert problem.message == IN_DOUBT
        await clock.until(lambda: world.said("surrender.recorded"))
        assert world.database.count(END) == 3
        assert await given_up(world) == [(*world.provider.last, "alice", None)]
        world.database.mend()
        await world.database.arrive()
    assert await world.outside.fetch("SELECT id FROM connection") == []
    assert await world.code("alice", callback) == "PROVIDER_UNAVAILABLE"


async def test_a_write_that_nobody_hears_of_is_in_doubt(any_world: World) -> None:
    callback = await any_world.begin("alice")
    with any_world.clock() as clock:
        any_world.database.delay(STORE, asyncio.Event().wait)
        began = clock.now
        problem = await completed(any_world, clock, callback)
        assert problem.message == IN_DOUBT
        assert clock.now - began == pytest.approx(LEASE - 0.5, abs=0.15)
        assert [line["error"] for line in any_world.said("store.failed")] == ["TimeoutError"]
        await clock.until(lambda: any_world.said("store.found"))
    assert (await any_world.complete("alice", callback)).status == "connected"


async def test_who_lost_the_lease_stores_nothing(world: World) -> None:
    """The others have been told to start again, so the tokens are revoked."""
    callback = await world.begin("alice", "revoking")

    async def lose_the_lease() -> None:
        await world.change_requests("status = 'failed', error = 'PROVIDER_UNAVAILABLE'")

    world.provider.meanwhile["/token"] = lose_the_lease
    assert await world.code("alice", callback) == "PROVIDER_UNAVAILABLE"
    await world.drained()
    assert await given_up(world) == [(*world.provider.last, "alice", None)]
    assert await world.outside.fetch("SELECT id FROM connection") == []


async def test_a_fault_of_ours_while_storing_ends_the_request(any_world: World) -> None:
    """Nobody waits for the end of the lease, and the tokens are revoked."""
    callback = await any_world.begin("alice", "revoking")
    with any_world.clock() as clock:
        any_world.database.fail(STORE, error=ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await any_world.complete("alice", callback)
        assert await any_world.code("alice", callback) == "INTERNAL_ERROR"
        await clock.until(lambda: any_world.said("surrender.recorded"))
    assert len(await given_up(any_world)) == 1
    assert await any_world.status("alice") == ["failed"]


# Tokens that are stored nowhere


@pytest.mark.parametrize("slug", ["revoking", "ends-token"])
async def test_tokens_that_are_not_stored_wait_for_the_worker(any_world: World, slug: str) -> None:
    """It decides whether they may be revoked. Nothing is sent right away."""
    callback = await any_world.begin("alice", slug)
    any_world.database.miss(STORE)
    assert await any_world.code("alice", callback) == "PROVIDER_UNAVAILABLE"
    await any_world.drained()
    assert await given_up(any_world) == [(*any_world.provider.last, "alice", None)]
    assert [line["provider"] for line in any_world.said("surrender.recorded")] == [slug]
    assert any_world.provider.asked("/revoke") == []


async def test_where_nothing_can_be_revoked_the_log_says_so(any_world: World) -> None:
    callback = await any_world.begin("alice", "acme")
    any_world.database.miss(STORE)
    assert await any_world.code("alice", callback) == "PROVIDER_UNAVAILABLE"
    await any_world.drained()
    assert [line["provider"] for line in any_world.said("surrender.impossible")] == ["acme"]
    assert await given_up(any_world) == []


@pytest.mark.parametrize(
    ("slug", "status", "said"),
    [
        ("revoking", "200 OK", ["surrender.lost"]),
        ("ends-token", "200 OK", ["surrender.sent"]),
        ("ends-token", "500 Oops", ["surrender.lost"]),
    ],
)
async def test_a_database_that_is_down_for_long(any_world: World, slug: str, status: str, said: list[str]) -> None:
    """In ten minutes the code would have expired anyway. Only what ends nothing but these tokens is sent without being
    recorded."""
    callback = await any_world.begin("alice", slug)
    any_world.provider.revoke_status = status
    with any_world.clock() as clock:
        any_world.database.miss(STORE)
        any_world.database.fail(REVOKE, times=1000)
        assert await completed(any_world, clock, callback) is not None
        await clock.advance(590)
        assert not surrendered(any_world)
        await clock.until(lambda: surrendered(any_world))
    assert surrendered(any_world) == said
    assert len(any_world.provider.asked("/revoke")) == (slug == "ends-token")
    assert await given_up(any_world) == []


async def test_a_process_that_ends_before_it_could_write_says_so(any_world: World) -> None:
    callback = await any_world.begin("alice", "revoking")
    with any_world.clock() as clock:
        any_world.database.miss(STORE)
        any_world.database.fail(REVOKE, times=1000)
        assert await completed(any_world, clock, callback) is not None
        draining = asyncio.create_task(any_world.drained())
        await clock.until(draining.done)
    assert [line["reason"] for line in any_world.said("surrender.lost")] == ["shutdown"]
    assert any_world.provider.asked("/revoke") == []


# A connection that ended since the claim


@pytest.mark.parametrize("slug", ["revoking", "ends-token", "acme"])
@pytest.mark.parametrize("known", [True, False])
async def test_a_callback_does_not_bring_back_a_connection_that_ended_after_its_claim(
    world: World, slug: str, *, known: bool
) -> None:
    """Its answer is the connection as it is, and its tokens are revoked. One that begins afterwards connects again."""
    first = await world.connect("alice", slug) if known else None
    callback = await world.begin("alice", slug)

    async def end() -> None:
        connection = first or await world.connect("alice", slug)
        await disconnect_connection(world.context("alice"), connection.id, "alice")
        await world.outside.fetch("DELETE FROM revocation")

    world.provider.meanwhile["/token"] = end
    connection = await world.complete("alice", callback)
    assert connection.status == "disconnected"
    assert await world.stored_tokens("alice", slug) == (None, None)
    late = world.provider.last
    assert await given_up(world) == ([] if slug == "acme" else [(*late, "alice", None)])
    assert [line["provider"] for line in world.said("connection.ended")] == [slug]
    assert (await world.complete("alice", callback)).status == "disconnected"
    assert (await world.connect("alice", slug)).status == "connected"
    assert await world.stored_tokens("alice", slug) == world.provider.last


# Tokens that are replaced


async def test_where_a_revocation_ends_only_the_token_replaced_ones_are_revoked(world: World) -> None:
    connection = await world.connect("alice", "ends-token")
    assert await given_up(world) == []
    replaced = world.provider.last
    await world.connect("alice", "ends-token")
    assert await given_up(world) == [(*replaced, "alice", None)]
    columns = "SELECT connection_id, ended_version, unsure FROM revocation"
    ((id_, version, unsure),) = await world.outside.fetch(columns)
    assert (str(id_), version, bool(unsure)) == (connection.id, 1, False)


async def test_where_it_ends_more_replaced_ones_are_left_alone(world: World) -> None:
    for _ in range(2):
        await world.connect("alice", "revoking")
    assert await given_up(world) == []


@pytest.mark.parametrize("same", TOKENS)
async def test_a_token_that_the_provider_gave_again_is_not_revoked(any_world: World, same: str) -> None:
    await any_world.connect("alice", "ends-token")
    any_world.provider.tokens = {same: any_world.provider.issued[0][same]}
    await any_world.connect("alice", "ends-token")
    assert await given_up(any_world) == []


async def test_replaced_tokens_that_can_not_be_decrypted_are_lost(any_world: World) -> None:
    await any_world.connect("alice", "ends-token")
    await any_world.outside.fetch("UPDATE connection SET refresh_token = $1", b"x" * 40)
    assert (await any_world.connect("alice", "ends-token")).version == 2
    assert await given_up(any_world) == []
    assert len(any_world.said("surrender.lost")) == 1


async def test_a_refresh_that_begins_while_the_tokens_are_replaced(world: World) -> None:
    """The revocation waits for it, whenever it began."""
    await world.connect("alice", "ends-token")
    replaced = world.provider.last
    callback = await world.begin("alice", "ends-token")
    take = f"UPDATE connection SET owner = 'refresh', epoch = epoch + 1, lease_until = {LATER}"
    world.database.fail(STORE, meanwhile=lambda: world.outside.fetch(take))
    world.database.delay(REPLACED, lambda: world.outside.fetch(take))
    await world.complete("alice", callback)
    assert await given_up(world) == [(*replaced, "alice", None)]
    ((unsure, due_at),) = await world.outside.fetch("SELECT unsure, due_at FROM revocation")
    assert bool(unsure)
    assert str(due_at).startswith("2099-01-01")


async def test_of_two_flows_that_overlap_the_older_tokens_are_revoked(world: World) -> None:
    first, second = [await world.begin("alice", "ends-token") for _ in range(2)]
    with world.clock() as clock:
        # No claim seems slow then, so their times are exact.
        world.database.fail(STORE, meanwhile=lambda: world.complete("alice", second))
        completing = asyncio.create_task(world.complete("alice", first))
        await clock.until(completing.done)
        await completing
    older = tuple(world.provider.issued[0][name] for name in TOKENS)
    assert await given_up(world) == [(*older, "alice", None)]
    assert await world.stored_tokens("alice", "ends-token") == world.provider.last


# The columns that a refresh has


async def test_connecting_again_ends_what_belongs_to_refreshing_the_tokens_before(world: World) -> None:
    await world.connect("alice")
    await world.outside.fetch(
        f"""UPDATE connection SET owner = 'x', lease_until = {LATER}, epoch = 5, unsure = 2, first_sent_at = {LATER},
        retry_at = {LATER}, failures = 3, failing_since = {LATER}, refreshed_at = {LATER}, refreshed_by = 5,
        due_at = {LATER}, status = 'error', status_reason = 'provider_failing'"""
    )
    await world.connect("alice")
    kept = "SELECT status, status_reason, consent, epoch, unsure, failures FROM connection"
    assert list(await world.outside.fetch(kept)) == [("connected", None, 2, 5, 0, 0)]
    ended = """SELECT owner, lease_until, first_sent_at, retry_at, failing_since, refreshed_at, refreshed_by, due_at
        FROM connection"""
    assert list(await world.outside.fetch(ended)) == [(None,) * 8]


@pytest.mark.parametrize(("scope", "reason"), [(None, None), ("sleep", "scopes_missing"), ("sleep offline x", None)])
async def test_scopes_that_were_not_granted_are_missing(
    any_world: World, scope: str | None, reason: str | None
) -> None:
    any_world.provider.tokens = {"scope": scope}
    await any_world.connect("alice")
    assert list(await any_world.outside.fetch("SELECT status, status_reason FROM connection")) == [
        ("connected", reason)
    ]
