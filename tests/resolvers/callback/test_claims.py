"""The claim of a request: for how long it lasts, when it is given back, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.database import DatabaseDown
from models.ids import new_id
from models.revocation import NewRevocation, add_revocation
from resolvers.callback import claims
from resolvers.callback.claims import Attempt, Callback
from resolvers.errors import ProviderUnavailable, ServiceUnavailable
from tests.loop_clock import LoopClock, happened, settled
from tests.models.rows import run
from tests.resolvers.failing_database import CLAIM, CLOCK, END, RELEASE
from tests.resolvers.world import LEASE, World

NEVER = asyncio.Event()


def attempt_of(world: World, user: str, callback: Callback) -> Attempt:
    return Attempt.of(world.context(user), user, world.resources.registration(callback.provider), callback)


async def begun(world: World) -> Attempt:
    attempt = attempt_of(world, "alice", await world.begin("alice"))
    # The clearing that an authorize starts reads the clock as well.
    await world.drained()
    world.database.ran.clear()
    return attempt


def passing(clock: LoopClock, seconds: float) -> Callable[[], Any]:
    """What an answer waits for that takes so long."""
    return lambda: clock.advance(seconds)


def moment(value: Any) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


async def test_a_claim_lasts_for_the_providers_time_out_and_five_seconds(world: World) -> None:
    """By the database's clock, and in this process by the loop's."""
    attempt = await begun(world)
    with world.clock() as clock:
        before = datetime.now(UTC)
        claim = await claims.claim(world.context("alice"), attempt)
        after = datetime.now(UTC)
        assert claim is not None
        assert claim.until == clock.now + LEASE
    lease_until = moment(await world.outside.value("SELECT lease_until FROM authorization_request"))
    exact = timedelta(milliseconds=2)
    assert before - exact <= lease_until - timedelta(seconds=LEASE) <= after + exact
    assert before - exact <= claim.claimed_at <= after + exact


async def test_of_two_attempts_one_gets_the_claim(world: World) -> None:
    callback = await world.begin("alice")
    attempts = [attempt_of(world, "alice", callback) for _ in range(2)]
    made = await asyncio.gather(*(claims.claim(world.context("alice"), attempt) for attempt in attempts))
    assert sorted(claim is None for claim in made) == [False, True]


async def test_the_claim_of_another_attempt_is_neither_given_back_nor_ended(world: World) -> None:
    callback = await world.begin("alice")
    holder, other = [attempt_of(world, "alice", callback) for _ in range(2)]
    context = world.context("alice")
    assert await claims.claim(context, holder)
    await claims.release(context, other)
    with pytest.raises(ProviderUnavailable):
        await claims.fail(context, other, ServiceUnavailable())
    assert await world.status("alice") == ["exchanging"]
    await claims.release(context, holder)
    assert await world.status("alice") == ["pending"]


async def test_an_error_and_a_code_of_the_same_text_are_different_answers(world: World) -> None:
    """The state was spent on the error."""
    authorization = await world.authorize("alice")
    refused = Callback("acme", "", authorization.state, "https://app.example/oauth/callback", error="access_denied")
    assert await world.code("alice", refused) == "ACCESS_DENIED"
    code = Callback("acme", "access_denied", authorization.state, "https://app.example/oauth/callback")
    assert await world.code("alice", code) == "INVALID_STATE"
    assert await world.code("alice", refused) == "ACCESS_DENIED"
    assert world.provider.asked() == []


# The moment of a claim, by the database's clock


@pytest.mark.parametrize(("took", "readings"), [(0.04, 0), (0.06, 1)])
async def test_the_clock_is_read_again_after_a_claim_that_was_slow(
    any_world: World, took: float, readings: int
) -> None:
    attempt = await begun(any_world)
    with any_world.clock() as clock:
        began = clock.now
        any_world.database.delay(CLAIM, passing(clock, took))
        claim = await claims.claim(any_world.context("alice"), attempt)
        assert claim is not None
        assert claim.until == began + LEASE
        assert claim.since == pytest.approx(began + took)
        assert claim.error == pytest.approx(0 if readings else took)
    assert any_world.database.count(CLOCK) == readings


async def test_of_several_readings_of_the_clock_the_quickest_counts(any_world: World) -> None:
    attempt = await begun(any_world)
    with any_world.clock() as clock:
        began = clock.now
        any_world.database.delay(CLAIM, passing(clock, 0.6))
        for took in (0.2, 0.1, 0.3):
            any_world.database.delay(CLOCK, passing(clock, took))
        claim = await claims.claim(any_world.context("alice"), attempt)
        assert claim is not None
        assert claim.error == pytest.approx(0.1)
        assert claim.since == pytest.approx(began + 0.6 + 0.2 + 0.1)
    assert any_world.database.count(CLOCK) == 3


async def test_a_slow_claim_counts_if_the_readings_are_slower(any_world: World) -> None:
    attempt = await begun(any_world)
    with any_world.clock() as clock:
        began = clock.now
        any_world.database.delay(CLAIM, passing(clock, 0.1))
        any_world.database.delay(CLOCK, passing(clock, 0.2), times=3)
        claim = await claims.claim(any_world.context("alice"), attempt)
        assert claim is not None
        assert (claim.since, claim.error) == (pytest.approx(began + 0.1), pytest.approx(0.1))


async def test_reading_the_clock_takes_a_second_at_most(any_world: World) -> None:
    attempt = await begun(any_world)
    with any_world.clock() as clock:
        any_world.database.delay(CLAIM, passing(clock, 0.1))
        any_world.database.delay(CLOCK, NEVER.wait)
        claiming = asyncio.create_task(claims.claim(any_world.context("alice"), attempt))
        await happened(lambda: any_world.database.count(CLOCK))
        await clock.advance(0.95)
        assert not claiming.done()
        await clock.advance(0.1)
        claim = await claiming
        assert claim is not None
        assert claim.error == pytest.approx(0.1)


async def test_a_clock_that_can_not_be_read_costs_no_claim(any_world: World) -> None:
    attempt = await begun(any_world)
    with any_world.clock() as clock:
        any_world.database.delay(CLAIM, passing(clock, 0.1))
        any_world.database.fail(CLOCK)
        assert await claims.claim(any_world.context("alice"), attempt)
    assert any_world.database.count(CLOCK) == 1


@pytest.mark.parametrize(("took", "asked"), [(2.4, 1), (2.6, 0)])
async def test_after_a_claim_that_took_too_long_the_provider_is_not_asked(
    world: World, took: float, asked: int
) -> None:
    """What is left of the lease must be enough for the exchange and the writing. The state is as good as before."""
    callback = await world.begin("alice")
    with world.clock() as clock:
        world.database.delay(CLAIM, passing(clock, took))
        assert await world.code("alice", callback) == (None if asked else "SERVICE_UNAVAILABLE")
        assert len(world.provider.exchanges(callback.code)) == asked
        assert await world.status("alice") == ["completed" if asked else "pending"]
        assert await world.code("alice", callback) is None
    assert len(world.provider.exchanges(callback.code)) == 1


# Giving a claim back


async def test_a_claim_whose_answer_got_lost_is_given_back(world: World) -> None:
    callback = await world.begin("alice")
    with world.clock() as clock:
        world.database.fail(CLAIM, done=True, in_doubt=True)
        with pytest.raises(DatabaseDown):
            await world.complete("alice", callback)
        assert await world.status("alice") == ["exchanging"]
        await clock.advance(0.25)
        await happened(lambda: world.said("claim.closed"))
        assert await world.status("alice") == ["pending"]
        assert await world.code("alice", callback) is None
    assert len(world.provider.exchanges(callback.code)) == 1


async def test_a_claim_that_arrives_after_its_answer_got_lost_is_given_back(world: World) -> None:
    """It is looked for until a lease has passed, as it may be on its way for long."""
    callback = await world.begin("alice")
    with world.clock() as clock:
        world.database.fail(CLAIM, in_doubt=True)
        with pytest.raises(DatabaseDown):
            await world.complete("alice", callback)
        await clock.until(lambda: world.database.count(RELEASE) >= 2)
        await settled()
        await world.database.arrive()
        assert await world.status("alice") == ["exchanging"]
        await clock.until(lambda: world.said("claim.closed"))
        assert await world.status("alice") == ["pending"]
    assert world.provider.asked() == []


async def test_a_claim_that_never_arrives_is_looked_for_as_long_as_its_lease_would_last(any_world: World) -> None:
    """At first soon, then every five seconds."""
    callback = await any_world.begin("alice")
    with any_world.clock() as clock:
        any_world.database.fail(CLAIM, in_doubt=True)
        any_world.database.miss(RELEASE, times=100)
        with pytest.raises(DatabaseDown):
            await any_world.complete("alice", callback)
        began = clock.now
        await clock.advance(60)
        tries = [moment - began for moment in any_world.database.moments(RELEASE)]
        assert tries == pytest.approx([0.2, 0.7, 1.7, 3.7, 8.7, 13.7, 18.7], abs=0.06)
    assert [line["tries"] for line in any_world.said("claim.closed")] == [7]


async def test_a_claim_that_surely_was_not_made_is_not_looked_for(any_world: World) -> None:
    callback = await any_world.begin("alice")
    with any_world.clock() as clock:
        any_world.database.fail(CLAIM)
        with pytest.raises(DatabaseDown):
            await any_world.complete("alice", callback)
        await clock.advance(20)
        assert any_world.database.count(RELEASE) == 0
        assert await any_world.code("alice", callback) is None


async def test_a_claim_that_can_not_be_given_back_is_given_back_later(world: World) -> None:
    """As when a provider is unreachable and the database is gone at the same moment."""
    callback = await world.begin("alice")
    await world.provider.stop()
    with world.clock() as clock:
        world.database.fail(RELEASE, times=3)
        completing = asyncio.create_task(world.problem("alice", callback))
        await clock.until(completing.done)
        problem = await completing
        assert (problem.code, problem.retry_after) == ("PROVIDER_UNAVAILABLE", 5)
        assert await world.status("alice") == ["exchanging"]
        await clock.until(lambda: world.said("claim.closed"))
        assert await world.status("alice") == ["pending"]
        await world.provider.start()
        assert await world.code("alice", callback) is None
    assert len(world.provider.exchanges(callback.code)) == 1
    assert [line["error"] for line in world.said("claim.open")] == ["FAULT"] * 2
    assert [line["tries"] for line in world.said("claim.closed")] == [3]


async def test_a_claim_that_is_another_attempts_by_then_is_left_alone(any_world: World) -> None:
    """One look is enough for a claim that surely was made."""
    callback = await any_world.begin("alice")
    await any_world.provider.stop()
    with any_world.clock() as clock:
        any_world.database.fail(RELEASE)
        any_world.database.miss(RELEASE, times=9)
        completing = asyncio.create_task(any_world.code("alice", callback))
        await clock.until(lambda: any_world.said("claim.closed"))
        assert await completing == "PROVIDER_UNAVAILABLE"
    assert any_world.database.count(RELEASE) == 2


async def test_an_attempt_is_shown_without_its_code_and_state(any_world: World) -> None:
    callback = await any_world.begin("alice")
    shown = repr(attempt_of(any_world, "alice", callback))
    assert callback.code not in shown
    assert callback.state not in shown


# Ending a request


async def test_a_refusal_that_can_not_be_written_is_written_later(world: World) -> None:
    """The caller is told to come again, and gets the provider's refusal then, without another exchange."""
    callback = await world.begin("alice")
    world.provider.refuse("invalid_grant")
    with world.clock() as clock:
        world.database.fail(END, times=2)
        with pytest.raises(DatabaseDown):
            await world.complete("alice", callback)
        assert await world.status("alice") == ["exchanging"]
        await clock.until(lambda: world.said("claim.closed"))
        assert await world.code("alice", callback) == "INVALID_GRANT"
    assert len(world.provider.exchanges(callback.code)) == 1
    assert ("complete", "INVALID_GRANT") in await world.events()


async def test_who_lost_the_lease_gets_what_the_others_got(world: World) -> None:
    """Another process has ended the request by then, so that every answer to the callback is the same."""
    callback = await world.begin("alice")

    async def lose_the_lease() -> None:
        await world.change_requests("status = 'failed', error = 'PROVIDER_UNAVAILABLE'")

    world.provider.meanwhile["/token"] = lose_the_lease
    world.provider.refuse("invalid_grant")
    for _ in range(2):
        assert await world.code("alice", callback) == "PROVIDER_UNAVAILABLE"
    assert len(world.provider.exchanges(callback.code)) == 1
    assert [outcome for _, outcome in await world.events()] == ["ok"]


async def test_what_can_not_be_written_is_tried_for_as_long_as_the_state_lives(any_world: World) -> None:
    """Nobody asks for it later."""
    callback = await any_world.begin("alice")
    any_world.provider.refuse("invalid_grant")
    with any_world.clock() as clock:
        any_world.database.fail(END, times=float("inf"))
        with pytest.raises(DatabaseDown):
            await any_world.complete("alice", callback)
        began = clock.now
        await clock.advance(700, step=1)
        last = any_world.database.moments(END)[-1] - began
        assert 595 <= last <= 606
        assert not any_world.said("claim.closed")
        draining = asyncio.create_task(any_world.drained())
        await settled()
        assert draining.done()


# A revocation that is being sent


async def delivering(world: World, user: str, slug: str, *, account: str | None = None, quiet: float = 0) -> None:
    """A delivery has the lease of a revocation, or had it until `quiet` seconds ago."""
    subject = await world.resources.pseudonyms.of(user)
    about = await world.resources.pseudonyms.of_account(slug, "", account)
    new = NewRevocation(new_id(), slug, "", subject, about, b"sealed")
    await add_revocation(world.resources.database, new)
    await run(world.resources.database, "UPDATE revocation SET owner = 'x', lease_until = after(:s)", s=30 - quiet)


@pytest.mark.parametrize(
    ("slug", "user", "account", "quiet", "is_held_up"),
    [
        ("ends-grant", "alice", None, 0, True),
        ("ends-grant", "alice", None, 80, True),
        ("ends-grant", "alice", None, 100, False),
        ("ends-grant", "bob", "a", 0, True),
        ("ends-grant", "bob", "b", 0, False),
        ("ends-grant", "bob", None, 0, False),
        ("ends-token", "alice", None, 0, False),
        ("acme", "alice", None, 0, False),
    ],
)
async def test_a_revocation_that_is_being_sent_holds_up_a_callback(
    world: World, slug: str, user: str, account: str | None, quiet: float, *, is_held_up: bool
) -> None:
    """If it would end what the callback gets, too: it is of the same user, or of the account that the user had. Then
    nothing is sent, and the same callback works later."""
    world.provider.tokens = {"user": "a"}
    await world.connect("alice", slug)
    callback = await world.begin("alice", slug)
    await delivering(world, user, slug, account=account, quiet=quiet)
    asked = len(world.provider.asked())
    if is_held_up:
        problem = await world.problem("alice", callback)
        assert (problem.code, problem.retry_after) == ("SERVICE_UNAVAILABLE", 5)
        assert len(world.provider.asked()) == asked
        assert await world.status("alice") == ["completed", "pending"]
        await run(world.resources.database, "UPDATE revocation SET lease_until = NULL")
    assert (await world.complete("alice", callback)).status == "connected"


async def test_a_database_that_fails_while_it_looks_for_a_delivery(world: World) -> None:
    callback = await world.begin("alice", "ends-grant")
    world.database.fail("AS found FROM revocation")
    with pytest.raises(DatabaseDown):
        await world.complete("alice", callback)
    assert world.provider.asked() == []
    assert (await world.complete("alice", callback)).status == "connected"


@pytest.mark.parametrize("slug", ["acme", "ends-token"])
async def test_where_a_revocation_ends_only_the_token_nothing_is_looked_for(any_world: World, slug: str) -> None:
    await any_world.connect("alice", slug)
    assert any_world.database.count("FROM revocation") == 0
