"""What a refresh sends and stores, and what each failure does to the connection."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from msgspec import structs

from models.database import DatabaseDown
from models.vault import Vault
from resolvers.errors import Problem, ServiceUnavailable
from resolvers.tokens.refresh import Timing
from tests.resolvers.tokens.services import (
    FAIL,
    MARK,
    TAKE,
    another_process,
    columns,
    expired,
    issue,
    pass_time,
    problem,
    row_of,
    service,
    short_lease,
)
from tests.resolvers.world import LEASE, TIMEOUT, World

QUIET = 60.0
LEASE_COLUMNS = "owner, lease_until, first_sent_at, unsure"


async def after_a_failure(world: World, slug: str = "acme") -> Problem:
    """Of the first refresh of a connection."""
    return await problem(issue(world, await expired(world, slug)))


async def timed_out(world: World, call: asyncio.Task[Any]) -> None:
    """The provider hangs, and is given up."""
    sent = len(world.provider.refreshes())
    with world.clock() as clock:
        await clock.until(call.done)
    assert len(world.provider.refreshes()) in (sent, sent + 1)


async def test_each_refresh_sends_the_newest_token_and_keeps_what_is_new(world: World) -> None:
    connection = await expired(world)
    sent: list[str] = []
    for version in (2, 3, 4):
        sent.append(world.provider.last[1] or "")
        issued = await issue(world, connection)
        assert issued.access_token == world.provider.last[0]
        assert await world.stored_tokens("alice") == world.provider.last
        assert await columns(world, f"version, refreshed_by, {LEASE_COLUMNS}") == (
            version,
            version - 1,
            *(None,) * 3,
            0,
        )
        await pass_time(world, 7200)
    assert world.provider.refreshes() == sent
    # Only what a refresh changes about a connection's status is an event.
    assert {action for action, _ in await world.events()} == {"authorize", "complete", "issue_token"}
    assert len(world.said("connection.refreshed")) == 3


@pytest.mark.parametrize("slug", ["reusable", "acme"])
async def test_a_refresh_token_that_is_left_out_stays_in_use(world: World, slug: str) -> None:
    connection = await expired(world, slug)
    kept = world.provider.last[1]
    world.provider.tokens = {"refresh_token": None}
    for _ in range(2):
        await issue(world, connection)
        assert await world.stored_tokens("alice", slug) == (world.provider.last[0], kept)
        await pass_time(world, 7200)
    assert world.provider.refreshes() == [kept, kept]


async def test_an_answer_may_only_extend_the_token(world: World) -> None:
    world.provider.tokens = {"status": 0}
    connection = await world.connect("alice", "extending")
    token = world.provider.last[0]
    await pass_time(world, 3600, "expires_at", "granted_at")
    world.provider.raw = b'{"status": 0}'
    issued = await issue(world, connection)
    row = await row_of(world, connection)
    assert issued.access_token == token
    assert row.expires_at is not None
    # The database has a clock of its own.
    assert timedelta(minutes=59) < row.expires_at - row.read_at <= timedelta(hours=1, seconds=1)
    assert row.version == 2
    # It may be the same token, and callers who wait for another one don't wait for ever.
    assert (await problem(issue(world, connection, rejected_token=token))).code == "PROVIDER_UNAVAILABLE"


async def test_the_same_token_again_ends_the_wait(any_world: World) -> None:
    connection = await expired(any_world)
    any_world.provider.tokens = {"access_token": any_world.provider.last[0]}
    answers = await asyncio.gather(*(issue(any_world, connection) for _ in range(3)))
    assert {answer.access_token for answer in answers} == {any_world.provider.last[0]}
    assert len(any_world.provider.refreshes()) == 1


async def test_the_end_of_a_grant(world: World) -> None:
    connection = await expired(world, "ahead")
    world.provider.refuse("invalid_grant")
    refused = [await problem(issue(world, connection)) for _ in range(2)]
    assert {one.code for one in refused} == {"REAUTHORIZATION_REQUIRED"}
    assert len(world.provider.refreshes()) == 1
    assert await columns(world, "status, status_reason, version, due_at") == (
        *("error", "reauthorization_required"),
        *(1, None),
    )
    assert await columns(world, "owner, lease_until") == (None, None)
    told = [event for event in await world.events("action, outcome, actor, client_id") if event[0] == "refresh"]
    assert told == [("refresh", "REAUTHORIZATION_REQUIRED", None, None)]
    (line,) = world.said("connection.lost")
    assert line["interrupted"] is False


@pytest.mark.parametrize(("slug", "interrupted"), [("acme", True), ("reusable", False), ("extending", False)])
async def test_an_end_after_a_doubt(any_world: World, slug: str, *, interrupted: bool) -> None:
    """Only where a refresh token is replaced can the lost answer be the reason."""
    any_world.provider.tokens = {"status": 0}
    connection = await any_world.connect("alice", slug)
    await pass_time(any_world, 7200, "expires_at", "granted_at")
    await any_world.outside.fetch("UPDATE connection SET unsure = 1")
    any_world.provider.refuse("invalid_grant")
    refused = await problem(issue(any_world, connection))
    assert ("interrupted" in str(refused)) == interrupted
    (line,) = any_world.said("connection.lost")
    assert line["interrupted"] == interrupted


@pytest.mark.parametrize(
    ("error", "status", "unsure"),
    [
        ("temporarily_unavailable", "503 Service Unavailable", 1),
        ("server_error", "500 Internal Server Error", 1),
        ("slow_down", "429 Too Many Requests", 0),
        ("no_code", "400 Bad Request", 0),
        ("access_denied", "400 Bad Request", 0),
    ],
)
async def test_a_failure_that_is_not_final(world: World, error: str, status: str, unsure: int) -> None:
    world.provider.tokens = {}
    connection = await expired(world)
    world.provider.refuse(error, status)
    failed = await problem(issue(world, connection))
    assert failed.code == "PROVIDER_UNAVAILABLE"
    assert failed.retry_after
    # If the provider may have handled it, nothing is sent before a stray request has come to its end.
    assert (failed.retry_after >= QUIET) == bool(unsure)
    found = await columns(world, "status, owner, unsure, failures, version")
    assert found == ("connected", None, unsure, 1, 1)
    assert (await columns(world, "first_sent_at") != (None,)) == bool(unsure)
    # Nobody asks before it is time.
    assert (await problem(issue(world, connection))).code == "PROVIDER_UNAVAILABLE"
    assert (await problem(issue(world, connection, context=another_process(world)))).retry_after
    assert len(world.provider.refreshes()) == 1
    world.provider.raw, world.provider.status = None, "200 OK"
    await pass_time(world, 61, "retry_at")
    assert (await issue(world, connection)).access_token == world.provider.last[0]
    assert await columns(world, "unsure, failures, failing_since, retry_at") == (0, 0, None, None)


async def test_the_provider_may_say_how_long_to_wait(any_world: World) -> None:
    connection = await expired(any_world)
    any_world.provider.refuse("slow_down", "429 Too Many Requests", "Retry-After: 600")
    failed = await problem(issue(any_world, connection))
    assert 600 <= (failed.retry_after or 0) <= 602


async def test_failures_in_a_row_wait_longer(any_world: World) -> None:
    connection = await expired(any_world)
    any_world.provider.refuse("unknown")
    waits: list[float] = []
    for _ in range(12):
        waits.append((await problem(issue(any_world, connection))).retry_after or 0)
        await pass_time(any_world, 4000, "retry_at")
    assert 4 <= waits[0] <= 7
    assert all(second > first for first, second in pairwise(waits[:8]))
    assert waits[-1] <= 1800 * 1.2 + 1
    assert await columns(any_world, "failures") == (12,)


async def test_our_own_mistakes_concern_no_connection(world: World) -> None:
    connection = await expired(world)
    world.provider.refuse("invalid_client", "401 Unauthorized")
    first = await problem(issue(world, connection))
    assert (first.code, first.retry_after) == ("PROVIDER_MISCONFIGURED", 30)
    assert await columns(world, "status, unsure, failures, failing_since, owner") == ("connected", 0, 0, None, None)
    again = await problem(issue(world, connection, context=another_process(world)))
    assert again.code == "PROVIDER_MISCONFIGURED"
    assert 25 <= (again.retry_after or 0) <= 30
    assert len(world.provider.refreshes()) == 1
    assert len(world.said("refresh.misconfigured")) == 1


async def test_the_last_failure_decides_what_callers_are_told(any_world: World) -> None:
    connection = await expired(any_world)
    for status, error, code in (
        ("503 Service Unavailable", "temporarily_unavailable", "PROVIDER_UNAVAILABLE"),
        ("401 Unauthorized", "invalid_client", "PROVIDER_MISCONFIGURED"),
        ("503 Service Unavailable", "temporarily_unavailable", "PROVIDER_UNAVAILABLE"),
    ):
        any_world.provider.refuse(error, status)
        codes = [(await problem(issue(any_world, connection))).code for _ in range(2)]
        assert codes == [code, code]
        assert (await columns(any_world, "failing_since"))[0] is not None
        await pass_time(any_world, 100, "retry_at")
    assert len(any_world.provider.refreshes()) == 3


async def test_no_answer_in_time(world: World) -> None:
    connection = await expired(world)
    world.provider.leave.clear()
    call = asyncio.create_task(problem(issue(world, connection)))
    await timed_out(world, call)
    assert call.result().code == "PROVIDER_UNAVAILABLE"
    assert QUIET <= (call.result().retry_after or 0) <= QUIET + 2
    assert await columns(world, "status, unsure, owner") == ("connected", 1, None)


async def test_where_a_token_may_be_used_twice_no_time_is_lost(world: World) -> None:
    connection = await expired(world, "reusable")
    world.provider.leave.clear()
    call = asyncio.create_task(problem(issue(world, connection)))
    await timed_out(world, call)
    assert (call.result().retry_after or 0) <= 3
    assert await columns(world, "unsure") == (1,)


async def test_a_provider_that_does_not_listen_has_handled_nothing(any_world: World) -> None:
    connection = await expired(any_world)
    await any_world.provider.stop()
    failed = await problem(issue(any_world, connection))
    assert (failed.retry_after or 99) <= 3
    assert await columns(any_world, "unsure, first_sent_at, failures") == (0, None, 1)
    await any_world.provider.start()


async def test_a_holder_that_died(world: World) -> None:
    """What it sent may be handled for a while after its lease."""
    connection = await expired(world)
    lost = world.provider.last[1]
    await world.outside.fetch("UPDATE connection SET owner = 'dead', epoch = 1")
    now = "strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now')" if world.outside.engine == "sqlite" else "now()"
    await world.outside.fetch(f"UPDATE connection SET lease_until = {now}, first_sent_at = {now}")
    await pass_time(world, QUIET - 20, "lease_until")
    blocked = await problem(issue(world, connection))
    assert (blocked.code, world.provider.refreshes()) == ("SERVICE_UNAVAILABLE", [])
    assert 15 <= (blocked.retry_after or 0) <= 20
    await pass_time(world, 21, "lease_until")
    assert (await issue(world, connection)).access_token == world.provider.last[0]
    assert world.provider.refreshes() == [lost]
    assert await columns(world, f"epoch, refreshed_by, {LEASE_COLUMNS}") == (2, 2, None, None, None, 0)


async def test_a_holder_that_died_with_a_token_used_up(world: World) -> None:
    connection = await expired(world)
    await world.outside.fetch("UPDATE connection SET owner = 'dead', epoch = 1, lease_until = created_at")
    await pass_time(world, LEASE + QUIET)
    world.provider.refuse("invalid_grant")
    assert "interrupted" in str(await problem(issue(world, connection)))


@pytest.mark.parametrize("grace", [5, 10, 24, 29])
async def test_a_grace_is_long_enough_for_another_try(any_world: World, grace: int) -> None:
    """After a holder that died just after the provider had answered it."""
    connection = await expired(any_world, "grace")
    entry = any_world.resources.catalogue["grace"]
    entry = structs.replace(entry, token=structs.replace(entry.token, refresh_grace=grace))
    row = await row_of(any_world, connection)
    first = Timing.of(entry, row, TIMEOUT)
    assert first.quiet == 0
    await any_world.outside.fetch("UPDATE connection SET first_sent_at = granted_at, granted_at = granted_at")
    age = (row.read_at - row.granted_at).total_seconds()
    await pass_time(any_world, first.lease - age, "first_sent_at")
    second = Timing.of(entry, await row_of(any_world, connection), TIMEOUT)
    assert second.quiet == 0
    assert first.lease + second.request < grace
    await pass_time(any_world, grace, "first_sent_at")
    assert Timing.of(entry, await row_of(any_world, connection), TIMEOUT).quiet == QUIET


async def test_a_process_that_stood_still_sends_nothing(world: World) -> None:
    """Its lease might end while the provider answers, and another process could send the same token."""
    connection = await expired(world, "grace")
    # Of the lease of half a second, more than the writing could spare.
    world.database.delay(TAKE, lambda: asyncio.sleep(0.15))
    refused = await problem(issue(world, connection, context=short_lease(world)))
    assert (refused.code, world.provider.refreshes()) == ("SERVICE_UNAVAILABLE", [])
    assert await columns(world, f"{LEASE_COLUMNS}, epoch, failures") == (None, None, None, 0, 1, 0)
    assert (await issue(world, connection)).access_token == world.provider.last[0]


@pytest.mark.parametrize("statement", [TAKE, FAIL, MARK])
async def test_a_database_that_goes_down(world: World, statement: str) -> None:
    connection = await expired(world)
    world.provider.refuse("invalid_grant" if statement == MARK else "unknown")
    world.database.fail(statement)
    with pytest.raises(DatabaseDown):
        await issue(world, connection)
    assert len(world.provider.refreshes()) == (0 if statement == TAKE else 1)
    assert await columns(world, "status, version") == ("connected", 1)
    # Nobody knows what became of it, unless it was never taken.
    assert (await columns(world, "owner") == (None,)) == (statement == TAKE)


async def test_a_lease_in_doubt_is_waited_for(world: World) -> None:
    """The answer to COMMIT was lost, so the lease is there, and nothing was sent."""
    connection = await expired(world)
    world.database.fail(TAKE, done=True, in_doubt=True)
    with pytest.raises(DatabaseDown):
        await issue(world, connection)
    assert world.provider.refreshes() == []
    await pass_time(world, LEASE + QUIET + 1)
    assert (await issue(world, connection)).access_token == world.provider.last[0]


async def test_a_process_whose_key_others_lack_sends_nothing(any_world: World) -> None:
    connection = await expired(any_world)
    context = service(any_world, vault=Vault({"key": bytes(range(1, 33))}))
    with pytest.raises(ServiceUnavailable):
        await issue(any_world, connection, context=context)
    assert any_world.provider.refreshes() == []


async def test_a_provider_that_fails_for_long(world: World) -> None:
    """Its connections have an error, are still refreshed, and recover."""
    connection = await expired(world)
    world.provider.refuse("unknown")
    await problem(issue(world, connection))
    await pass_time(world, 50)
    await problem(issue(world, connection))
    assert await columns(world, "status") == ("connected",)
    await pass_time(world, 50)
    for _ in range(3):
        assert (await problem(issue(world, connection))).code == "PROVIDER_UNAVAILABLE"
        assert await columns(world, "status, status_reason") == ("error", "provider_failing")
        await pass_time(world, 4000)
    assert len(world.provider.refreshes()) == 5
    world.provider.raw, world.provider.status = None, "200 OK"
    assert (await issue(world, connection)).access_token == world.provider.last[0]
    assert await columns(world, "status, status_reason, failing_since") == ("connected", None, None)
    told = [outcome for action, outcome in await world.events() if action == "refresh"]
    assert told == ["PROVIDER_UNAVAILABLE", "ok"]
    assert len(world.said("connection.failing")) == len(world.said("connection.recovered")) == 1


async def test_the_circuit_is_open(any_world: World) -> None:
    connection = await expired(any_world)
    limit = any_world.resources.provider_limits.of("acme")
    breaker = getattr(limit, "_breaker")  # noqa: B009 - five time-outs would take their time
    for _ in range(5):
        breaker.timed_out(breaker.begin())
    refused = await problem(issue(any_world, connection))
    assert (refused.code, any_world.provider.refreshes()) == ("PROVIDER_UNAVAILABLE", [])
    assert refused.retry_after
    assert await columns(any_world, "owner, failures, retry_at, epoch") == (None, 0, None, 0)


async def test_a_refresh_that_was_not_sent_says_nothing_about_the_provider(any_world: World) -> None:
    connection = await expired(any_world)
    limit = any_world.resources.provider_limits.of("acme")
    breaker = getattr(limit, "_breaker")  # noqa: B009 - five time-outs would take their time
    for _ in range(4):
        breaker.timed_out(breaker.begin())
    # Another process was faster, and then the database goes down.
    any_world.database.miss(TAKE)
    any_world.database.fail(TAKE)
    with pytest.raises(DatabaseDown):
        await issue(any_world, connection)
    breaker.timed_out(breaker.begin())
    assert breaker.state == "open"


async def test_a_connection_fails_for_as_long_as_its_token_was_valid(any_world: World) -> None:
    """Counted from its expiry, even if refreshes have failed before."""
    connection = await any_world.connect("alice")
    await pass_time(any_world, 7150, "granted_at", "expires_at")
    await any_world.outside.fetch("UPDATE connection SET failing_since = granted_at, failures = 1")
    any_world.provider.refuse("unknown")
    await problem(issue(any_world, connection))
    assert await columns(any_world, "status") == ("connected",)
    await pass_time(any_world, 100)
    await any_world.outside.fetch("UPDATE connection SET retry_at = NULL")
    await problem(issue(any_world, connection))
    assert await columns(any_world, "status, status_reason") == ("error", "provider_failing")
