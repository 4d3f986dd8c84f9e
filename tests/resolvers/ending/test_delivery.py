"""When a revocation is sent and when it waits: outages, leases, the week, and who else uses the grant."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from models.revocation import delivery_in_progress
from models.revocation_delivery import find_pending, take
from models.vault import Vault
from providers.provider_limit import LIMITS, ProviderLimit, ProviderLimits, Use
from resolvers.ending.delivery import deliver, due
from tests.resolvers.ending.endings import (
    QUIET,
    WEEK,
    connect,
    deliver_due,
    disconnect,
    ended,
    revocations,
    sent,
)
from tests.resolvers.world import TIMEOUT, World

LEASE = 3 * TIMEOUT + 5
DOWN = "503 Service Unavailable"
FINISH = "delivered_at ="
"""A part of the statement that ends a revocation."""


async def test_a_revocation_is_delivered_once(world: World) -> None:
    connection = await ended(world, "alice", "ends-token")
    _, refresh_token = world.provider.last
    assert await deliver_due(world) == 1
    assert sent(world) == [f"revoke {refresh_token}"]
    columns = "status, attempts, delivered_at IS NULL, material, due_at, owner, lease_until, connection_id"
    assert await revocations(world, columns) == [("delivered", 1, False, None, None, None, None, connection.id)]
    assert await deliver_due(world) == 0
    assert (await world.events("action, outcome, actor, provider, connection_id, client_id"))[-1][:4] == (
        *("revoke", "ok", None),
        "ends-token",
    )


async def test_the_trail_says_whose_connection_it_was(world: World) -> None:
    connection = await ended(world, "alice", "ends-token")
    await deliver_due(world)
    subject, id_ = (await world.events("subject, connection_id"))[-1]
    assert subject == await world.resources.pseudonyms.of("alice")
    assert str(id_) == connection.id


async def test_it_is_delivered_when_the_provider_is_back(world: World) -> None:
    await ended(world, "alice", "ends-token")
    await world.provider.stop()
    await deliver_due(world)
    assert await revocations(world) == [("pending", 0)]
    assert await deliver_due(world) == 0
    await world.provider.start()
    await world.turn_back(10)
    await deliver_due(world)
    assert await revocations(world) == [("delivered", 1)]


async def test_an_answer_that_says_nothing_is_waited_out(world: World) -> None:
    """Whoever asked may have given up, and the provider may handle the request all the same, until it is too late."""
    await ended(world, "alice", "ends-token")
    world.provider.revoke_status = DOWN
    await deliver_due(world)
    assert await revocations(world) == [("pending", 1)]
    world.provider.revoke_status = "200 OK"
    await world.turn_back(QUIET - 10)
    assert await deliver_due(world) == 0
    await world.turn_back(20)
    await deliver_due(world)
    assert await revocations(world) == [("delivered", 2)]


async def test_the_provider_says_how_long_to_wait(world: World) -> None:
    await ended(world, "alice", "ends-token")
    world.provider.revoke_status = "429 Too Many Requests\r\nRetry-After: 1800"
    await deliver_due(world)
    assert await revocations(world) == [("pending", 1)]
    await world.turn_back(1700)
    assert await deliver_due(world) == 0
    await world.turn_back(110)
    assert await deliver_due(world) == 1


async def test_it_is_tried_less_and_less_often(world: World) -> None:
    """The pause is a part of the age, and some hours at most."""
    await ended(world, "alice", "ends-token")
    await world.provider.stop()
    for age, shortest, longest in ((0, 3, 9), (60, 23, 60), (3600, 1400, 2800), (86400, 17000, 28000)):
        await world.turn_back(age)
        await deliver_due(world)
        await world.turn_back(shortest)
        assert await deliver_due(world) == 0, age
        await world.turn_back(longest - shortest)
        assert len(await due(world.context(None), 10)) == 1, age


async def test_after_a_week_it_has_failed_and_its_tokens_are_erased(world: World) -> None:
    await ended(world, "alice", "ends-token")
    world.provider.revoke_status = DOWN
    await deliver_due(world)
    await world.turn_back(WEEK)
    await deliver_due(world)
    assert await revocations(world, "status, attempts, material, due_at") == [("failed", 2, None, None)]
    assert (await world.events())[-1] == ("revoke", "failed")
    (told,) = world.said("revocation.failed")
    assert told["log_level"] == "error"
    assert "HTTP status 503" in told["reason"]


async def test_one_that_no_worker_saw_for_a_week_is_sent_nevertheless(world: World) -> None:
    await ended(world, "alice", "ends-token")
    await world.turn_back(2 * WEEK)
    await deliver_due(world)
    assert await revocations(world) == [("delivered", 1)]


async def test_two_workers_send_it_once(world: World) -> None:
    await ended(world, "alice", "ends-token")
    (work,) = await due(world.context(None), 10)
    await asyncio.gather(*(deliver(world.context(None), work.id) for _ in range(5)))
    assert len(sent(world)) == 1
    assert await revocations(world) == [("delivered", 1)]


async def test_one_that_is_not_due_is_left_alone(world: World) -> None:
    await ended(world, "alice", "ends-token")
    (work,) = await due(world.context(None), 10)
    world.provider.revoke_status = "429 Too Many Requests"
    await deliver(world.context(None), work.id)
    await deliver(world.context(None), work.id)
    assert len(sent(world)) == 1


async def test_the_work_of_a_worker_that_died_is_due_again(world: World) -> None:
    """What it sent may still be handled for a while after its lease."""
    await ended(world, "alice", "ends-token")
    (work,) = await due(world.context(None), 10)
    row = await find_pending(world.database, work.id)
    assert row is not None
    assert await take(world.database, row, "another", lease=LEASE, quiet=QUIET)
    await world.turn_back(LEASE + QUIET - 5)
    assert await deliver_due(world) == 0
    await deliver(world.context(None), work.id)
    assert sent(world) == []
    await world.turn_back(10)
    await deliver_due(world)
    assert await revocations(world) == [("delivered", 1)]


async def test_an_end_that_could_not_be_written_is_found_by_another_request(world: World) -> None:
    await ended(world, "alice", "ends-token")
    world.database.fail(FINISH)
    with pytest.raises(Exception, match="FAULT"):
        await deliver_due(world)
    assert await revocations(world) == [("pending", 0)]
    await world.turn_back(LEASE + QUIET)
    await deliver_due(world)
    assert len(sent(world)) == 2
    assert await revocations(world) == [("delivered", 1)]


async def test_a_process_without_the_key_leaves_it_to_another(world: World) -> None:
    await ended(world, "alice", "ends-token")
    await deliver_due(world, world.context(None, vault=Vault({"other": bytes(range(1, 33))})))
    assert sent(world) == []
    assert world.said("vault.failed")
    # It is not even postponed.
    await deliver_due(world)
    assert await revocations(world) == [("delivered", 1)]


@pytest.mark.parametrize("changes", [{"registrations": {}}, {"vault": Vault({"other": bytes(range(1, 33))})}])
async def test_a_wrong_setting_after_a_long_time_ends_nothing(world: World, changes: dict[str, Any]) -> None:
    """Nothing was sent yet. Only after another week, the tokens are erased all the same."""
    await ended(world, "alice", "ends-token")
    await world.turn_back(1.5 * WEEK)
    await deliver_due(world, world.context(None, **changes))
    assert await revocations(world) == [("pending", 0)]
    await world.turn_back(0.4 * WEEK)
    await deliver_due(world)
    assert await revocations(world) == [("delivered", 1)]
    await ended(world, "bob", "ends-token")
    await world.turn_back(2 * WEEK)
    await deliver_due(world, world.context(None, **changes))
    assert (await revocations(world, "status, material"))[-1] == ("failed", None)


async def test_a_provider_without_credentials_here_is_waited_for(world: World) -> None:
    await ended(world, "alice", "ends-token")
    await deliver_due(world, world.context(None, registrations={}, catalogue={}))
    assert await revocations(world) == [("pending", 0)]
    await world.turn_back(10)
    await deliver_due(world)
    assert await revocations(world) == [("delivered", 1)]


class _Full(ProviderLimits):
    def of(self, slug: str) -> ProviderLimit:
        return ProviderLimit(slug, limits={**LIMITS, Use.REVOCATION: 0})


async def test_it_waits_for_a_place_among_the_revocations(world: World) -> None:
    await ended(world, "alice", "ends-token")
    with world.clock() as clock:
        waiting = asyncio.create_task(deliver_due(world, world.context(None, provider_limits=_Full())))
        await clock.until(waiting.done)
    assert await revocations(world, "status, attempts, owner") == [("pending", 0, None)]


# Where a revocation ends more than its tokens


@pytest.mark.parametrize("slug", ["ends-grant", "by-bearer"])
async def test_it_waits_as_long_as_another_user_is_connected_to_the_account(world: World, slug: str) -> None:
    bobs = await connect(world, "bob", slug)
    await ended(world, "alice", slug)
    await deliver_due(world)
    assert sent(world) == []
    assert await revocations(world) == [("pending", 0)]
    await disconnect(world, "bob", bobs)
    await world.turn_back(10)
    await deliver_due(world)
    assert await revocations(world) == [("delivered", 1)] * 2


async def test_it_waits_for_a_week_for_the_others_and_is_not_needed_then(world: World) -> None:
    await connect(world, "bob", "ends-grant")
    await ended(world, "alice", "ends-grant")
    await world.turn_back(WEEK)
    await deliver_due(world)
    assert sent(world) == []
    assert await revocations(world, "status, attempts, material") == [("not_needed", 0, None)]
    assert (await world.events())[-1] == ("revoke", "not_needed")


async def test_a_connection_whose_grant_is_over_is_not_waited_for(world: World) -> None:
    await connect(world, "bob", "ends-grant")
    await world.outside.fetch("UPDATE connection SET status = 'error', status_reason = 'reauthorization_required'")
    await ended(world, "alice", "ends-grant")
    await deliver_due(world)
    assert await revocations(world) == [("delivered", 1)]


async def test_one_whose_provider_is_failing_is(world: World) -> None:
    await connect(world, "bob", "ends-grant")
    await world.outside.fetch("UPDATE connection SET status = 'error', status_reason = 'provider_failing'")
    await ended(world, "alice", "ends-grant")
    await deliver_due(world)
    assert await revocations(world) == [("pending", 0)]


@pytest.mark.parametrize("account", ["sam", None])
async def test_connecting_again_makes_it_unnecessary(world: World, account: str | None) -> None:
    """If an account is not known, it may be the same one."""
    await ended(world, "alice", "ends-grant", account)
    await connect(world, "alice", "ends-grant")
    await deliver_due(world)
    assert sent(world) == []
    assert await revocations(world, "status, attempts, material") == [("not_needed", 0, None)]


async def test_connecting_another_account_does_not(world: World) -> None:
    await ended(world, "alice", "ends-grant", "sam")
    token = world.provider.last[1]
    await connect(world, "alice", "ends-grant", "kim")
    await deliver_due(world)
    assert sent(world) == [f"revoke {token}"]
    assert await revocations(world) == [("delivered", 1)]


async def test_it_waits_for_a_callback_of_the_same_user(world: World) -> None:
    await ended(world, "alice", "ends-grant")
    callback = await world.begin("alice", "ends-grant")
    seen: list[list[str]] = []

    async def meanwhile() -> None:
        await deliver_due(world)
        seen.append(sent(world))

    world.provider.meanwhile["/token"] = meanwhile
    await world.complete("alice", callback)
    assert seen == [[]]
    assert await revocations(world) == [("pending", 0)]
    await world.turn_back(10)
    await deliver_due(world)
    assert await revocations(world) == [("not_needed", 0)]


async def test_it_waits_for_a_callback_of_another_user_of_the_account(world: World) -> None:
    bobs = await ended(world, "bob", "ends-grant")
    await deliver_due(world)
    await ended(world, "alice", "ends-grant")
    callback = await world.begin("bob", "ends-grant")

    async def meanwhile() -> None:
        await deliver_due(world)
        assert (await revocations(world))[-1] == ("pending", 0)

    world.provider.meanwhile["/token"] = meanwhile
    assert (await world.complete("bob", callback)).id == bobs.id
    await world.turn_back(10)
    await deliver_due(world)
    assert (await revocations(world))[-1] == ("pending", 0)


async def test_callbacks_see_a_delivery_until_nothing_of_it_can_be_handled(world: World) -> None:
    pseudonyms = world.resources.pseudonyms
    subject, account = await pseudonyms.of("alice"), await pseudonyms.of_account("ends-grant", "", "sam")
    nobody = "0" * 32

    async def seen() -> list[bool]:
        pairs = [(subject, None), (nobody, account), (nobody, nobody)]
        return [await delivery_in_progress(world.database, *pair, "ends-grant", "", QUIET) for pair in pairs]

    await ended(world, "alice", "ends-grant")
    assert await seen() == [False, False, False]
    during: list[list[bool]] = []

    async def meanwhile() -> None:
        during.append(await seen())

    world.provider.meanwhile["/revoke"] = meanwhile
    world.provider.revoke_status = DOWN
    await deliver_due(world)
    assert during == [[True, True, False]]
    assert await seen() == [True, True, False]
    await world.turn_back(QUIET + 1)
    assert await seen() == [False, False, False]
    world.provider.revoke_status = "200 OK"
    await deliver_due(world)
    assert await seen() == [False, False, False]


async def test_one_that_failed_without_an_answer_is_seen_for_as_long(world: World) -> None:
    await ended(world, "alice", "ends-grant")
    await world.turn_back(WEEK)
    world.provider.revoke_status = DOWN
    await deliver_due(world)
    assert await revocations(world) == [("failed", 1)]
    subject = await world.resources.pseudonyms.of("alice")
    assert await delivery_in_progress(world.database, subject, None, "ends-grant", "", QUIET)


# Where it ends its own tokens only


async def test_nobody_else_matters_where_it_ends_its_own_tokens_only(world: World) -> None:
    await connect(world, "bob", "ends-token")
    await ended(world, "alice", "ends-token")
    token = world.provider.last[1]
    await connect(world, "alice", "ends-token")
    await deliver_due(world)
    assert sent(world) == [f"revoke {token}"]
    assert await revocations(world) == [("delivered", 1)]


async def test_the_grant_of_another_account_is_revoked_when_the_user_connects_a_new_one(world: World) -> None:
    """Nothing else ends it: the revocation of the new grant is of the other account."""
    await connect(world, "alice", "ends-grant", "sam")
    token = world.provider.last[1]
    await connect(world, "alice", "ends-grant", "kim")
    await deliver_due(world)
    assert sent(world) == [f"revoke {token}"]
    assert await revocations(world) == [("delivered", 1)]
    await connect(world, "alice", "ends-grant", "kim")
    assert await revocations(world) == [("delivered", 1)]
