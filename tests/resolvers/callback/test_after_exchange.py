"""What only some providers need after the exchange: a registration of the user, and a question for the scopes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec import structs

from models.connection import StoredConnection
from providers.provider_limit import TIMEOUTS
from resolvers.callback.claims import Callback
from resolvers.context import Context, Registration
from resolvers.ending.disconnect import disconnect_connection
from tests.loop_clock import LoopClock, happened
from tests.resolvers.ending.endings import deliver_due, materials, revocations
from tests.resolvers.failing_database import STORE
from tests.resolvers.tokens.services import expired, issue
from tests.resolvers.world import LEASE, TIMEOUT, World
from tests.wire.http.loopback import answering

GRANTING = ("granting", "granting-both")


async def hang(*_: Any) -> None:
    await asyncio.Event().wait()


async def answered(world: World, clock: LoopClock, callback: Callback, context: Context | None = None) -> float:
    """The seconds that the caller waited for the answer."""
    began = clock.now
    completing = asyncio.create_task(world.complete("alice", callback, context))
    await clock.until(completing.done)
    await asyncio.gather(completing, return_exceptions=True)
    return clock.now - began


def scopes(connection: StoredConnection) -> tuple[list[str], str | None]:
    return connection.granted_scopes, connection.status_reason


# Which scopes were granted


@pytest.mark.parametrize("slug", GRANTING)
async def test_the_scopes_are_those_that_the_provider_says_when_it_is_asked(world: World, slug: str) -> None:
    world.provider.tokens = {"scope": "PARTNER_READ", "user": "sam"}
    connection = await world.connect("alice", slug)
    assert scopes(connection) == (["sleep"], "scopes_missing")
    assert connection.account == await world.account_of("alice", slug) == "sam"
    (asked,) = world.provider.asked("/permissions")
    assert asked.headers["authorization"] == f"Bearer {world.provider.last[0]}"
    assert world.provider.asked("/me") == []
    assert ("complete", "ok") in await world.events()


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        (["sleep", "offline", "more"], (["sleep", "offline", "more"], None)),
        ([], ([], "scopes_missing")),
    ],
)
async def test_all_of_them_or_none(any_world: World, permissions: list[str], expected: Any) -> None:
    body = json.dumps({"permissions": permissions}).encode()
    any_world.provider.answers["/permissions"] = answering(body)
    assert scopes(await any_world.connect("alice", "granting")) == expected


@pytest.mark.parametrize("status", ["500 Oops", "401 Unauthorized", "404 Not Found", "200 OK"])
async def test_a_provider_that_does_not_say_leaves_what_the_answer_said(any_world: World, status: str) -> None:
    any_world.provider.tokens = {"scope": "sleep offline"}
    any_world.provider.answers["/permissions"] = answering(b'{"permissions": "CANARY"}', status=status)
    connection = await any_world.connect("alice", "granting")
    assert (connection.status, *scopes(connection)) == ("connected", ["sleep", "offline"], None)
    (line,) = any_world.said("granted.unknown")
    assert line["provider"] == "granting"
    assert "CANARY" not in str(any_world.logged)


@pytest.mark.parametrize("policy", ["share", "reject"])
async def test_both_questions_are_asked_at_once_and_waited_for_for_three_seconds(any_world: World, policy: str) -> None:
    callback = await any_world.begin("alice", "granting-both")
    for path in ("/permissions", "/me"):
        any_world.provider.meanwhile[path] = hang
    with any_world.clock() as clock:
        took = await answered(any_world, clock, callback, any_world.context("alice", account_policy=policy))
    assert took == pytest.approx(3.05, abs=0.1)
    assert len(any_world.said("granted.unknown")) == len(any_world.said("account.unknown")) == 1
    assert len(any_world.provider.asked("/permissions")) == len(any_world.provider.asked("/me")) == 1


@pytest.mark.parametrize("slug", ["granting", "granting-both"])
async def test_the_questions_leave_time_for_the_storing(any_world: World, slug: str) -> None:
    callback = await any_world.begin("alice", slug)

    async def late() -> None:
        await clock.advance(TIMEOUT - 0.1)

    with any_world.clock() as clock:
        any_world.provider.meanwhile |= {"/token": late, "/permissions": hang, "/me": hang}
        assert await answered(any_world, clock, callback) == pytest.approx(LEASE - 2.5, abs=0.15)
    assert (await any_world.complete("alice", callback)).status == "connected"


async def test_either_answer_counts_without_the_other(any_world: World) -> None:
    any_world.provider.account_status = "500 Oops"
    connection = await any_world.connect("alice", "granting-both")
    assert (connection.account, *scopes(connection)) == (None, ["sleep"], "scopes_missing")
    any_world.provider.account_status = "200 OK"
    any_world.provider.answers["/permissions"] = answering(b"", status="500 Oops")
    connection = await any_world.connect("alice", "granting-both")
    assert (connection.account, *scopes(connection)) == ("sam", ["sleep", "offline"], None)


async def test_a_question_that_hangs_opens_a_circuit_of_its_own(any_world: World) -> None:
    with any_world.clock() as clock:
        for _ in range(TIMEOUTS):
            callback = await any_world.begin("alice", "granting-both")
            any_world.provider.meanwhile["/permissions"] = hang
            await answered(any_world, clock, callback)
        callback = await any_world.begin("alice", "granting-both")
        assert await answered(any_world, clock, callback) < 1
    assert len(any_world.provider.asked("/permissions")) == TIMEOUTS
    assert len(any_world.provider.asked("/me")) == TIMEOUTS + 1
    assert await any_world.account_of("alice", "granting-both") == "sam"


async def test_a_refresh_leaves_the_scopes_alone(world: World) -> None:
    connection = await expired(world, "granting")
    world.provider.tokens = {"scope": "PARTNER_READ"}
    token = await issue(world, connection)
    assert (token.access_token, list(token.scopes)) == (world.provider.last[0], ["sleep"])
    assert len(world.provider.asked("/permissions")) == 1


async def test_a_grant_whose_account_is_asked_for_later_keeps_its_scopes(world: World) -> None:
    world.provider.account_status = "500 Oops"
    callback = await world.begin("alice", "granting-both")
    rejecting = world.context("alice", account_policy="reject")
    pending = await world.complete("alice", callback, rejecting)
    assert pending.status == "pending"
    world.provider.account_status = "200 OK"
    world.provider.answers["/permissions"] = answering(b"", status="500 Oops")
    await world.turn_back(20)
    await deliver_due(world, world.context(None, account_policy="reject"))
    connection = await world.complete("alice", callback, rejecting)
    assert (connection.status, connection.account) == ("connected", "sam")
    assert scopes(connection) == (["sleep"], "scopes_missing")
    assert len(world.provider.asked("/permissions")) == 1


# Registering the user


def registered(world: World) -> list[str]:
    """The ids of users that the provider got, in order."""
    return [json.loads(asked.body)["member-id"] for asked in world.provider.asked("/users")]


async def connect(world: World, user: str, account: str | None, slug: str = "registering") -> StoredConnection:
    world.provider.tokens = {"user": account}
    return await world.connect(user, slug)


async def test_a_user_is_registered_before_the_connection_is_stored(world: World) -> None:
    callback = await world.begin("alice", "registering")
    stored: list[int] = []

    async def look() -> None:
        stored.append(world.database.count(STORE))

    world.provider.meanwhile["/users"] = look
    for _ in range(2):
        assert (await world.complete("alice", callback)).status == "connected"
    assert stored == [0]
    (asked,) = world.provider.asked("/users")
    assert asked.headers["authorization"] == f"Bearer {world.provider.last[0]}"
    assert await world.stored_tokens("alice", "registering") == world.provider.last


async def test_the_provider_gets_a_pseudonym_of_the_account(any_world: World) -> None:
    """The same for an account whoever connects it, and another for each account: providers refuse an id that another
    account has."""
    for user, account in (("alice", "sam"), ("alice", "kim"), ("bob", "sam"), ("bob", None), ("alice", None)):
        await connect(any_world, user, account)
    sams, kims, again, bobs, alices = registered(any_world)
    assert sams == again
    assert len({sams, kims, bobs, alices}) == 4
    assert registered(any_world)[-1] == await any_world.resources.pseudonyms.at_provider(
        "registering", "", "alice", None
    )
    for name in ("alice", "bob", "sam", "kim"):
        assert name not in "".join(registered(any_world))


async def test_nothing_leads_from_the_id_at_the_provider_to_the_audit_trail(any_world: World) -> None:
    """The trail keeps a user's pseudonym for ever, and the provider knows who has the account."""
    await connect(any_world, "alice", "sam")
    await connect(any_world, "bob", None)
    pseudonyms = any_world.resources.pseudonyms
    ours = {await pseudonyms.of("alice"), await pseudonyms.of("bob")}
    ours.add(await pseudonyms.of_account("registering", "", "sam"))
    assert ours.isdisjoint(registered(any_world))


async def test_a_user_who_is_registered_already_is_connected(any_world: World) -> None:
    any_world.provider.answers["/users"] = answering(b'{"error": "x"}', status="409 Conflict")
    assert (await connect(any_world, "alice", "sam")).status == "connected"


@pytest.mark.parametrize(
    ("status", "code", "event"),
    [
        ("500 Oops", "PROVIDER_UNAVAILABLE", "exchange.failed"),
        ("400 Bad Request", "PROVIDER_UNAVAILABLE", "exchange.failed"),
        ("202 Accepted", "PROVIDER_UNAVAILABLE", "exchange.failed"),
        ("403 Forbidden", "ACCESS_DENIED", "exchange.failed"),
        ("404 Not Found", "PROVIDER_MISCONFIGURED", "exchange.misconfigured"),
    ],
)
async def test_without_a_registration_nothing_is_stored(world: World, status: str, code: str, event: str) -> None:
    """The tokens are given up, and a connection of before stays as it is."""
    before = await connect(world, "alice", "sam")
    tokens = world.provider.last
    callback = await world.begin("alice", "registering")
    world.provider.answers["/users"] = answering(b'{"error": "CANARY"}', status=status)
    for _ in range(2):
        problem = await world.problem("alice", callback)
        assert (problem.code, problem.retry_after) == (code, None)
    assert len(world.provider.exchanges(callback.code)) == 1
    assert len(world.provider.asked("/users")) == 2
    assert await world.stored_tokens("alice", "registering") == tokens
    assert (await world.status("alice"))[-1] == "failed"
    (line,) = world.said(event)
    assert (line["provider"], line["step"]) == ("registering", "after_exchange")
    assert "CANARY" not in str(world.logged)
    await happened(lambda: world.said("surrender.recorded"))
    (material,) = await materials(world)
    assert material is not None
    assert (material.access_token, material.refresh_token) == world.provider.last
    assert (material.user, material.account) == ("alice", "sam")
    assert before.status == "connected"


async def test_how_long_to_wait_before_starting_again(any_world: World) -> None:
    callback = await any_world.begin("alice", "registering")
    any_world.provider.answers["/users"] = answering(b"", status="429 Too Many", headers=("Retry-After: 90",))
    problem = await any_world.problem("alice", callback)
    assert (problem.code, problem.retry_after) == ("PROVIDER_UNAVAILABLE", 90)


async def test_tokens_that_were_given_up_end_no_connection_that_was_made_since(world: World) -> None:
    """Where a revocation ends the account's whole registration, it waits for the connection to end."""
    world.provider.answers["/users"] = answering(b"", status="500 Oops")
    assert (await world.problem("alice", await begin(world, "alice", "sam"))).code == "PROVIDER_UNAVAILABLE"
    await happened(lambda: world.said("surrender.recorded"))
    world.provider.answers["/users"] = answering(b"")
    connection = await connect(world, "alice", "sam")
    await world.turn_back(3600)
    await deliver_due(world)
    assert world.provider.asked("/revoke") == []
    await disconnect_connection(world.context("alice"), connection.id, "alice")
    await world.turn_back(3600)
    await deliver_due(world)
    assert world.provider.asked("/revoke")


async def begin(world: World, user: str, account: str) -> Callback:
    world.provider.tokens = {"user": account}
    return await world.begin(user, "registering")


async def test_a_provider_that_revokes_nothing_is_left_with_the_consent(any_world: World) -> None:
    any_world.provider.answers["/users"] = answering(b"", status="500 Oops")
    callback = await any_world.begin("alice", "registering-only")
    assert await any_world.code("alice", callback) == "PROVIDER_UNAVAILABLE"
    await happened(lambda: any_world.said("surrender.impossible"))
    assert await revocations(any_world) == []


async def test_a_registration_that_hangs_ends_with_the_time_out_and_opens_the_circuit(any_world: World) -> None:
    """Then no more codes are spent."""
    with any_world.clock() as clock:
        for _ in range(TIMEOUTS):
            callback = await any_world.begin("alice", "registering")
            any_world.provider.meanwhile["/users"] = hang
            assert await answered(any_world, clock, callback) == pytest.approx(TIMEOUT, abs=0.2)
            assert await any_world.code("alice", callback) == "PROVIDER_UNAVAILABLE"
        callback = await any_world.begin("alice", "registering")
        problem = await any_world.problem("alice", callback)
    assert (problem.code, problem.retry_after) == ("PROVIDER_UNAVAILABLE", 1)
    assert any_world.provider.exchanges(callback.code) == []
    assert (await any_world.status("alice"))[-1] == "pending"


async def test_the_registration_leaves_time_for_the_storing(any_world: World) -> None:
    callback = await any_world.begin("alice", "registering")

    async def late() -> None:
        await clock.advance(TIMEOUT - 1)

    with any_world.clock() as clock:
        any_world.provider.meanwhile |= {"/token": late, "/users": hang}
        assert await answered(any_world, clock, callback) == pytest.approx(LEASE - 2.5, abs=0.2)
    assert await any_world.code("alice", callback) == "PROVIDER_UNAVAILABLE"


async def test_after_a_standstill_it_is_waited_for_as_long_as_the_lease_allows(any_world: World) -> None:
    callback = await any_world.begin("alice", "registering")
    any_world.provider.meanwhile["/users"] = hang
    with any_world.clock() as clock:
        completing = asyncio.create_task(any_world.code("alice", callback))
        await happened(lambda: any_world.provider.asked("/users"))
        await clock.jump(TIMEOUT + 2)
        await clock.advance(0.4)
        assert not any_world.said("exchange.failed")
        await clock.advance(0.2)
        assert any_world.said("exchange.failed")
        await happened(completing.done)
    assert await completing == "PROVIDER_UNAVAILABLE"


async def test_without_the_key_of_pseudonyms_nothing_is_stored(world: World) -> None:
    """A process that has just started reads it first."""
    callback = await world.begin("alice", "registering-only")
    starting = world.context("alice", clearing=world.resources.clearing)
    world.database.fail("audit_key")
    assert (await world.problem("alice", callback, starting)).code == "PROVIDER_UNAVAILABLE"
    assert world.provider.asked("/users") == []
    assert await world.status("alice") == ["failed"]
    assert world.database.count(STORE) == 0
    await happened(lambda: world.said("surrender.impossible"))


async def test_tokens_are_given_up_when_an_adapter_fails_unexpectedly(any_world: World) -> None:
    registration = any_world.resources.registration("registering")
    rule = registration.provider.after_exchange
    assert rule is not None
    broken = structs.replace(registration.provider, after_exchange=structs.replace(rule, adapter="no_such_adapter"))
    context = any_world.context("alice", registrations={"registering": Registration(broken, registration.credentials)})
    callback = await any_world.begin("alice", "registering")
    with pytest.raises(ModuleNotFoundError):
        await any_world.complete("alice", callback, context)
    assert await any_world.code("alice", callback) == "INTERNAL_ERROR"
    await happened(lambda: any_world.said("surrender.recorded"))
