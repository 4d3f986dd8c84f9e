"""What is sent for a revocation, and what the provider's answers mean: which tokens, in which order, and when the
tokens must be refreshed first."""

from __future__ import annotations

import asyncio
import json

import pytest

from models.connection import StoredConnection
from models.revocation import open_material
from models.revocation_delivery import find_pending
from providers.provider_limit import Use
from resolvers.ending.delivery import due
from resolvers.ending.sending import Later, Prepared, Sender, SendingTime
from tests.resolvers.ending.endings import (
    QUIET,
    connect,
    deliver_due,
    disconnect,
    ended,
    materials,
    revocations,
    sent,
)
from tests.resolvers.world import TIMEOUT, World

DOWN = "503 Service Unavailable"
REFUSED = "401 Unauthorized"
KEEP = "UPDATE revocation SET material = "


async def interrupted(world: World, slug: str = "ends-token") -> StoredConnection:
    """A connection that is disconnected after a refresh of which nothing is known."""
    connection = await connect(world, "alice", slug)
    await world.outside.fetch("UPDATE connection SET unsure = 1")
    return await disconnect(world, "alice", connection)


def issued(world: World, number: int) -> tuple[str, str]:
    tokens = world.provider.issued[number]
    return tokens["access_token"], tokens["refresh_token"]


# An access token that the provider refuses


async def test_a_refused_access_token_is_replaced_by_a_fresh_one(world: World) -> None:
    await ended(world, "alice", "by-bearer")
    world.provider.revoke_statuses = [REFUSED]
    kept: list[object] = []

    async def meanwhile() -> None:
        (material,) = await materials(world)
        assert material is not None
        kept.append((material.access_token, material.refresh_token, material.user, material.account))

    async def before_refresh() -> None:
        world.provider.meanwhile["/revoke"] = meanwhile

    world.provider.meanwhile["/token"] = before_refresh
    await deliver_due(world)
    (old, used), (new, refreshed) = issued(world, 0), issued(world, 1)
    assert sent(world) == [f"revoke {old}", f"refresh {used}", f"revoke {new}"]
    # The new tokens are written down before they are used.
    assert kept == [(new, refreshed, "alice", "sam")]
    assert await revocations(world) == [("delivered", 1)]


async def test_a_refused_access_token_in_the_url_is_replaced_too_and_never_logged(world: World) -> None:
    await ended(world, "alice", "in-url")
    world.provider.revoke_statuses = [REFUSED]
    await deliver_due(world)
    tokens = [issued(world, number)[0] for number in (0, 1)]
    lines = [asked.line for asked in world.provider.server.asked if "/revoke" in asked.line]
    assert lines == [f"POST /revoke?access_token={token} HTTP/1.1" for token in tokens]
    assert await revocations(world) == [("delivered", 1)]
    assert not any(token in str(world.logged) for token in tokens)


async def test_a_refresh_token_that_is_left_out_stays_in_use(world: World) -> None:
    await ended(world, "alice", "by-bearer")
    world.provider.revoke_statuses = [REFUSED, DOWN]
    world.provider.tokens = {"refresh_token": None}
    await deliver_due(world)
    (material,) = await materials(world)
    assert material is not None
    assert (material.access_token, material.refresh_token) == (world.provider.last[0], issued(world, 0)[1])


async def test_the_next_delivery_uses_the_fresh_one(world: World) -> None:
    await ended(world, "alice", "by-bearer")
    world.provider.revoke_statuses = [REFUSED, DOWN]
    await deliver_due(world)
    assert await revocations(world) == [("pending", 1)]
    await world.turn_back(QUIET + 10)
    await deliver_due(world)
    assert sent(world)[-2:] == [f"revoke {issued(world, 1)[0]}"] * 2
    assert await revocations(world) == [("delivered", 2)]


async def test_a_grant_that_is_over_needs_no_revocation(world: World) -> None:
    await ended(world, "alice", "by-bearer")
    world.provider.revoke_status = REFUSED
    world.provider.refuse("invalid_grant")
    await deliver_due(world)
    assert await revocations(world, "status, attempts, material") == [("not_needed", 1, None)]
    assert (await world.events())[-1] == ("revoke", "not_needed")


async def test_a_refused_access_token_alone_says_nothing(world: World) -> None:
    """It may only have expired. Without a refresh token there is no other."""
    world.provider.tokens = {"refresh_token": None}
    connection = await world.connect("alice", "by-bearer")
    world.provider.revoke_status = REFUSED
    await disconnect(world, "alice", connection)
    await deliver_due(world)
    assert len(sent(world)) == 1
    assert await revocations(world) == [("unsupported", 1)]


async def test_a_fresh_one_that_is_refused_is_no_end(world: World) -> None:
    await ended(world, "alice", "by-bearer")
    world.provider.revoke_status = REFUSED
    await deliver_due(world)
    assert len(sent(world)) == 3
    assert await revocations(world) == [("pending", 1)]


@pytest.mark.parametrize(
    ("error", "status", "unsure"),
    [("slow_down", "429 Too Many Requests", False), ("x", "400 Bad Request", False), ("x", DOWN, True)],
)
async def test_a_refresh_that_failed_is_tried_again(world: World, error: str, status: str, unsure: bool) -> None:
    await ended(world, "alice", "by-bearer")
    world.provider.revoke_status = REFUSED
    world.provider.refuse(error, status)
    await deliver_due(world)
    assert [(told, bool(again)) for told, again in await revocations(world, "status, unsure")] == [("pending", unsure)]


# Tokens of which a refresh may have made others


async def test_an_interrupted_refresh_is_made_up_for_first(world: World) -> None:
    """The newest token ends the grant. The older one might be unknown to the provider, which confirms that, too."""
    await interrupted(world)
    await deliver_due(world)
    used, new = issued(world, 0)[1], issued(world, 1)[1]
    assert sent(world) == [f"refresh {used}", f"revoke {new}"]
    assert await revocations(world) == [("delivered", 1)]


async def test_if_that_is_refused_the_older_one_is_revoked_nevertheless(world: World) -> None:
    await interrupted(world)
    token = world.provider.last[1]
    world.provider.refuse("invalid_grant")
    await deliver_due(world)
    assert sent(world) == [f"refresh {token}", f"revoke {token}"]
    assert await revocations(world) == [("delivered", 1)]


async def test_if_both_are_refused_it_is_over(world: World) -> None:
    await interrupted(world, "by-bearer")
    world.provider.refuse("invalid_grant")
    world.provider.revoke_status = REFUSED
    await deliver_due(world)
    assert len(sent(world)) == 2
    assert await revocations(world) == [("not_needed", 1)]


async def test_the_refresh_is_not_repeated_once_its_tokens_are_kept(world: World) -> None:
    await interrupted(world)
    world.provider.revoke_statuses = [DOWN]
    await deliver_due(world)
    await world.turn_back(QUIET + 10)
    await deliver_due(world)
    assert [request.split()[0] for request in sent(world)] == ["refresh", "revoke", "revoke"]


async def test_the_new_tokens_are_used_though_they_could_not_be_written(world: World) -> None:
    await interrupted(world)
    world.database.fail(KEEP)
    await deliver_due(world)
    assert sent(world)[-1] == f"revoke {world.provider.last[1]}"
    assert await revocations(world) == [("delivered", 1)]


async def test_new_tokens_of_a_lease_that_was_lost_get_a_revocation_of_their_own(world: World) -> None:
    await interrupted(world)

    async def meanwhile() -> None:
        await world.outside.fetch("UPDATE revocation SET owner = 'another'")

    world.provider.meanwhile["/token"] = meanwhile
    await deliver_due(world)
    older, newer = await materials(world)
    assert older is not None
    assert newer is not None
    assert older.refresh_token == issued(world, 0)[1]
    assert (newer.refresh_token, newer.user, newer.account) == (issued(world, 1)[1], "alice", "sam")
    assert not any(request.startswith("revoke") for request in sent(world))


# What else a provider may answer, or not


async def test_wrong_credentials_are_loud_and_are_tried_again(world: World) -> None:
    await ended(world, "alice", "ends-token")
    world.provider.revoke_status, world.provider.revoke_body = REFUSED, json.dumps({"error": "invalid_client"}).encode()
    await deliver_due(world)
    assert await revocations(world) == [("pending", 1)]
    (told,) = world.said("revocation.misconfigured")
    assert told["log_level"] == "error"


async def test_without_the_token_that_the_provider_asks_for_nothing_is_sent(world: World) -> None:
    world.provider.tokens = {"refresh_token": None}
    connection = await world.connect("alice", "ends-token")
    await disconnect(world, "alice", connection)
    await deliver_due(world)
    assert sent(world) == []
    assert await revocations(world) == [("unsupported", 0)]


async def test_nothing_is_sent_when_too_little_of_the_lease_is_left(world: World) -> None:
    """A process that stood still after it took the lease: another one may be about to send."""
    await ended(world, "alice", "ends-token")
    (work,) = await due(world.context(None), 10)
    row = await find_pending(world.database, work.id)
    assert row is not None
    permit = await world.resources.provider_limits.of("ends-token").permit(1, Use.REVOCATION)
    material = open_material(world.resources.vault, row.id, row.material, row.provider)
    prepared = Prepared(world.resources.registrations["ends-token"], material, permit)
    with permit:
        late = SendingTime(TIMEOUT, clock=iter([0.0, 60.0]).__next__)
        outcome = await Sender(world.context(None), row, prepared, "worker", late).send()
    assert isinstance(outcome, Later)
    assert (outcome.sent, sent(world)) == (False, [])


async def test_the_time_to_send_ends_so_that_the_last_request_ends_within_the_lease() -> None:
    now = 1000.0
    times = SendingTime(10, clock=lambda: now)
    assert times.lease == 35
    loop = asyncio.get_running_loop()
    for now, is_open in ((1000.0, True), (1022.4, True), (1022.6, False)):
        request = times.request()
        assert (request is not None) is is_open
        if request is not None:
            assert request["deadline"] == pytest.approx(loop.time() + 10, abs=1)
            # What has arrived by then can still be written down.
            assert request["latest"] - loop.time() == pytest.approx(1032.5 - now, abs=1)


async def test_no_token_is_logged(world: World) -> None:
    await interrupted(world, "by-bearer")
    world.provider.revoke_statuses = [REFUSED, DOWN]
    await deliver_due(world)
    await world.turn_back(QUIET + 10)
    await deliver_due(world)
    text = str(world.logged)
    assert world.said("revocation.postponed")
    assert not any(token in text for number in range(2) for token in issued(world, number))
