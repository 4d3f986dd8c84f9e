"""New tokens while the database is down, and beside everything else that may happen to their connection meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from models.connection import Tokens
from models.token_refresh import Lease, NewTokens, store
from resolvers.ending.disconnect import disconnect_connection
from resolvers.tokens.issue import IssuedToken
from resolvers.tokens.refresh import audit_entry
from tests.resolvers.ending.endings import materials
from tests.resolvers.tokens.services import (
    FATE,
    STORE,
    another_process,
    columns,
    expired,
    issue,
    pass_time,
    problem,
    row_of,
    service,
)
from tests.resolvers.world import LEASE, World

QUIET = 60.0


async def test_what_could_not_be_stored_at_once_is_stored_later(world: World) -> None:
    connection = await expired(world)
    world.database.fail(STORE, times=3)
    failed = await problem(issue(world, connection))
    assert failed.code == "SERVICE_UNAVAILABLE"
    tokens = world.provider.last
    with world.clock() as clock:
        await clock.until(lambda: world.said("connection.refreshed"))
    assert await world.stored_tokens("alice") == tokens
    assert (await issue(world, connection)).access_token == tokens[0]
    assert len(world.provider.refreshes()) == 1


async def test_meanwhile_the_old_refresh_token_is_not_sent(world: World) -> None:
    """However long it takes: the provider would take it for a stolen one."""
    connection = await expired(world)
    world.database.fail(STORE, times=3)
    await problem(issue(world, connection))
    await pass_time(world, LEASE + QUIET + 1)
    refused = await problem(issue(world, connection))
    assert (refused.code, refused.retry_after) == ("SERVICE_UNAVAILABLE", 1)
    assert len(world.provider.refreshes()) == 1
    with world.clock() as clock:
        await clock.until(lambda: world.said("connection.refreshed"))
    await pass_time(world, 7200)
    await issue(world, connection)
    assert len(world.provider.refreshes()) == 2


async def test_a_commit_whose_answer_was_lost(world: World) -> None:
    connection = await expired(world)
    world.database.fail(STORE, done=True, in_doubt=True)
    await problem(issue(world, connection))
    tokens = world.provider.last
    with world.clock() as clock:
        await clock.until(lambda: world.said("connection.refreshed"))
    assert await world.stored_tokens("alice") == tokens
    assert await columns(world, "version, status") == (2, "connected")
    assert await materials(world) == []


async def test_a_database_that_is_down_for_too_long(any_world: World) -> None:
    connection = await expired(any_world)
    any_world.database.fail(STORE, times=10_000)
    await problem(issue(any_world, connection))
    with any_world.clock() as clock:
        taken = await clock.until(lambda: any_world.said("refresh.lost"), step=0.5, limit=700)
    assert taken >= 600
    # Others go on as after a holder that died.
    any_world.database.mend()
    await pass_time(any_world, LEASE + QUIET + 1)
    await issue(any_world, connection)
    assert len(any_world.provider.refreshes()) == 2


async def test_a_process_that_ends_meanwhile_says_so(any_world: World) -> None:
    connection = await expired(any_world)
    any_world.database.fail(STORE, times=10_000)
    await problem(issue(any_world, connection))
    with any_world.clock() as clock:
        draining = asyncio.create_task(any_world.drained())
        await clock.until(draining.done)
    (line,) = any_world.said("refresh.lost")
    assert line["connection_id"] == connection.id


async def test_a_process_ends_after_its_refresh(any_world: World) -> None:
    connection = await expired(any_world)
    any_world.provider.leave.clear()
    call = asyncio.create_task(issue(any_world, connection))
    with any_world.clock() as clock:
        await clock.until(any_world.provider.refreshes)
        draining = asyncio.create_task(any_world.drained())
        await clock.advance(5)
        assert not draining.done()
        any_world.provider.leave.set()
        await clock.until(draining.done)
    assert (await call).access_token == any_world.provider.last[0]
    assert await any_world.stored_tokens("alice") == any_world.provider.last


async def test_callers_that_hang_up_lose_nothing(any_world: World) -> None:
    connection = await expired(any_world)
    any_world.provider.leave.clear()
    call = asyncio.create_task(issue(any_world, connection))
    with any_world.clock() as clock:
        await clock.until(any_world.provider.refreshes)
        call.cancel()
        await clock.until(call.done)
        any_world.provider.leave.set()
        await clock.until(lambda: any_world.said("connection.refreshed"))
    assert await any_world.stored_tokens("alice") == any_world.provider.last


async def test_new_ciphertexts_of_the_same_tokens(world: World) -> None:
    """As when they are sealed with another key while the provider answers."""
    connection = await expired(world)
    row = await row_of(world, connection)
    vault = world.resources.vault
    again = vault.seal(
        row.open(vault, "access_token"), table="connection", row=("alice", "acme", "", "1"), column="access_token"
    )
    literal = f"x'{again.hex()}'" if world.outside.engine == "sqlite" else f"'\\x{again.hex()}'"

    async def reseal() -> None:
        await world.outside.fetch(f"UPDATE connection SET access_token = {literal}")

    world.provider.meanwhile["/token"] = reseal
    await issue(world, connection)
    assert await world.stored_tokens("alice") == world.provider.last


async def test_an_answer_after_the_lease(world: World) -> None:
    """Another process has taken the token meanwhile, and waits for the provider, too."""
    connection = await expired(world, "reusable")
    answers: list[IssuedToken] = []

    async def meanwhile() -> None:
        await pass_time(world, LEASE + 1)
        answers.append(await issue(world, connection, context=another_process(world)))

    world.provider.meanwhile["/token"] = meanwhile
    issued = await issue(world, connection)
    assert len(world.provider.refreshes()) == 2
    # The later one is the newer one.
    assert await columns(world, "version, refreshed_by, owner") == (2, 2, None)
    assert issued.access_token == answers[0].access_token
    assert len(world.said("refresh.superseded")) == 1
    assert await materials(world) == []


async def disconnect(world: World, connection_id: str) -> None:
    await disconnect_connection(world.context("alice"), connection_id, "alice")


@pytest.mark.parametrize("slug", ["acme", "ends-token", "ends-grant"])
async def test_a_connection_that_ends_while_the_provider_answers(world: World, slug: str) -> None:
    connection = await expired(world, slug)
    world.provider.meanwhile["/token"] = lambda: disconnect(world, connection.id)
    assert (await problem(issue(world, connection))).code == "REAUTHORIZATION_REQUIRED"
    assert await columns(world, "status, access_token, refresh_token") == ("disconnected", None, None)
    if slug == "acme":
        assert [material for material in await materials(world) if material] == []
        return
    (material,) = await materials(world)
    assert material is not None
    assert (material.access_token, material.refresh_token) == world.provider.last


@pytest.mark.parametrize(("slug", "revoked"), [("ends-token", 2), ("ends-grant", 0)])
async def test_a_user_who_connects_again_while_the_provider_answers(world: World, slug: str, revoked: int) -> None:
    """What the refresh gives is revoked only if that leaves the new grant alone."""
    connection = await expired(world, slug)
    granted: list[tuple[str | None, str | None]] = []

    async def meanwhile() -> None:
        await world.connect("alice", slug)
        granted.append(world.provider.last)

    world.provider.meanwhile["/token"] = meanwhile
    assert (await issue(world, connection)).access_token == granted[0][0]
    assert await world.stored_tokens("alice", slug) == granted[0]
    assert granted[0] != world.provider.last
    assert len(await materials(world)) in ({1, 2} if revoked else {0})
    if revoked:
        assert world.provider.last[0] in {material.access_token for material in await materials(world) if material}


async def test_a_late_answer_brings_a_connection_back(world: World) -> None:
    """Its token was used up by this refresh, so the provider refused it to another process."""
    connection = await expired(world, "reusable")

    async def meanwhile() -> None:
        await pass_time(world, LEASE + 1)
        world.provider.refuse("invalid_grant")
        refused = await problem(issue(world, connection, context=another_process(world)))
        assert refused.code == "REAUTHORIZATION_REQUIRED"
        world.provider.raw, world.provider.status = None, "200 OK"

    world.provider.meanwhile["/token"] = meanwhile
    assert (await issue(world, connection)).access_token == world.provider.last[0]
    assert await columns(world, "status, status_reason") == ("connected", None)
    told = [outcome for action, outcome in await world.events() if action == "refresh"]
    assert told == ["REAUTHORIZATION_REQUIRED", "ok"]


async def test_a_refusal_of_what_was_replaced_meanwhile(world: World) -> None:
    connection = await expired(world, "reusable")
    answers: list[IssuedToken] = []

    async def meanwhile() -> None:
        await pass_time(world, LEASE + 1)
        answers.append(await issue(world, connection, context=another_process(world)))
        world.provider.refuse("invalid_grant")

    world.provider.meanwhile["/token"] = meanwhile
    assert (await issue(world, connection)).access_token == answers[0].access_token
    assert await columns(world, "status, version") == ("connected", 2)
    assert len(world.said("refresh.superseded")) == 1


async def test_a_lease_ends_with_the_refusal_of_what_was_replaced(world: World) -> None:
    """An earlier refresh, whose lease had ended, has stored its answer."""
    connection = await expired(world, "reusable")
    row = await row_of(world, connection)
    new = NewTokens(Tokens("late-access", "late-refresh"), None, row.granted, None, None)
    entry = await audit_entry(service(world), row, "ok")

    async def meanwhile() -> None:
        earlier = Lease("earlier", 0, failures=0, unsure=0, taken_at=row.read_at)
        assert await store(world.database, world.resources.vault, row, earlier, new, entry)
        world.provider.refuse("invalid_grant")

    world.provider.meanwhile["/token"] = meanwhile
    assert (await issue(world, connection)).access_token == "late-access"
    assert await columns(world, "owner, lease_until, status") == (None, None, "connected")


async def test_nothing_is_asked_of_the_database_between_the_answer_and_the_writing(world: World) -> None:
    """Not even the key of pseudonyms, by a process that has never used it."""
    connection = await expired(world)
    context = service(world, refreshes=type(world.resources.refreshes)())

    async def down() -> None:
        world.database.away = True

    world.provider.meanwhile["/token"] = down
    refused = await problem(issue(world, connection, context=context))
    assert refused.code == "SERVICE_UNAVAILABLE"
    world.database.away = False
    with world.clock() as clock:
        await clock.until(lambda: world.said("connection.refreshed"))
    assert await world.stored_tokens("alice") == world.provider.last


async def test_a_fate_that_is_not_known_is_asked_for_again(world: World) -> None:
    connection = await expired(world, "ends-token")
    world.database.fail(FATE)
    world.provider.meanwhile["/token"] = lambda: disconnect(world, connection.id)
    await problem(issue(world, connection))
    with world.clock() as clock:
        await clock.until(lambda: world.said("refresh.late"))
        await clock.advance(1)
    (material,) = await materials(world)
    assert material is not None
    assert material.refresh_token == world.provider.last[1]


async def test_tokens_of_another_account_are_given_to_nobody(world: World) -> None:
    world.provider.tokens = {"user": "sam", "expires_in": 0}
    connection = await world.connect("alice", "ends-token")
    world.provider.tokens = {"user": "mallory"}
    refused = await problem(issue(world, connection))
    assert refused.code == "REAUTHORIZATION_REQUIRED"
    assert await columns(world, "status, status_reason, owner, version") == (
        "error",
        "reauthorization_required",
        None,
        1,
    )
    (told,) = world.said("refresh.account.changed")
    assert told["log_level"] == "error"
    assert [outcome for action, outcome in await world.events() if action == "refresh"] == ["REAUTHORIZATION_REQUIRED"]
