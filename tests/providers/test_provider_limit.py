"""How many exchanges with a provider are allowed at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator

import pytest

from providers.errors import (
    Busy,
    CircuitOpen,
    HeldBack,
    TimedOut,
    TransportFailure,
)
from providers.provider_limit import (
    ACCOUNT_LIMITS,
    GRANTED_LIMITS,
    LIMITS,
    TIMEOUTS,
    ProviderLimit,
    ProviderLimits,
    Use,
)
from tests.providers.permits import ANSWERS, Clock, Exchange, ask, under_way
from tests.wire.http.event_loops import on_a_leaping_clock
from tests.wire.http.fetching import soon
from wire.http.connections import MAX_CONNECTIONS
from wire.waiting import release_slot


def test_the_limits_together_are_below_the_number_of_connections() -> None:
    """docs/operating.md names them."""
    assert LIMITS == {Use.EXCHANGE: 48, Use.REFRESH: 24, Use.REVOCATION: 8}
    assert ACCOUNT_LIMITS == {Use.ACCOUNT: 16}
    assert GRANTED_LIMITS == {Use.GRANTED: 16}
    assert sum(sum(limits.values()) for limits in (LIMITS, ACCOUNT_LIMITS, GRANTED_LIMITS)) <= MAX_CONNECTIONS


async def test_that_many_exchanges_are_allowed_by_default(clock: Clock) -> None:
    limit = ProviderLimit("acme", clock=clock)
    exchanges = await under_way(limit, 48)
    with pytest.raises(Busy):
        await ask(limit)
    for exchange in exchanges:
        assert await exchange.end() is None


def test_each_provider_has_a_limit_of_its_own() -> None:
    limits = ProviderLimits()
    assert limits.of("acme") is limits.of("acme") is not limits.of("other")


@pytest.mark.parametrize("asked", ["account", "granted"])
async def test_each_endpoint_that_is_asked_about_a_grant_has_a_circuit_of_its_own(asked: str) -> None:
    limits = ProviderLimits()
    permits = {"account": limits.account_permit, "granted": limits.granted_permit}
    permit_of = permits.pop(asked)
    (other_permit,) = permits.values()
    for _ in range(TIMEOUTS):
        with pytest.raises(TimedOut), await permit_of("acme"):
            raise TimedOut(sent=True)
    with pytest.raises(CircuitOpen):
        await permit_of("acme")
    for permit in (limits.of("acme").permit(0), permit_of("other"), other_permit("acme")):
        with await permit:
            pass


@on_a_leaping_clock
async def test_one_exchange_above_the_limit_raises_busy(limit: ProviderLimit) -> None:
    exchanges = await under_way(limit, 8)
    began = soon(0)
    with pytest.raises(Busy) as raised:
        await ask(limit, wait=7)
    assert soon(0) - began == pytest.approx(7)
    assert not raised.value.sent
    for exchange in exchanges:
        assert await exchange.end() is None
    await ask(limit)


async def test_a_waiting_exchange_gets_a_free_slot(limit: ProviderLimit) -> None:
    first, *others = await under_way(limit, 8)
    waiting = Exchange(limit, wait=60)
    await asyncio.sleep(0)
    assert not waiting.entered.is_set()
    await first.end()
    await waiting.entered.wait()
    for exchange in (waiting, *others):
        assert await exchange.end() is None


async def test_a_permit_without_waiting(limit: ProviderLimit) -> None:
    with limit.permit_now() or pytest.fail("there is a free slot"):
        exchanges = await under_way(limit, 7)
        assert limit.permit_now() is None
    with limit.permit_now() or pytest.fail("the slot is free again"):
        assert limit.permit_now() is None
    for exchange in exchanges:
        await exchange.end()


@on_a_leaping_clock
async def test_the_slot_of_the_request_is_released_only_while_it_waits(limit: ProviderLimit) -> None:
    changes: list[str] = []

    @contextlib.contextmanager
    def release() -> Generator[None]:
        changes.append("released")
        yield
        changes.append("taken again")

    async def request() -> None:
        release_slot.set(release)
        with await limit.permit(7):
            changes.append("asked")

    await asyncio.create_task(request())
    assert changes == ["asked"]
    first, *others = await under_way(limit, 8)
    waiting = asyncio.create_task(request())
    await asyncio.sleep(0)
    assert changes == ["asked", "released"]
    await first.end()
    await waiting
    assert changes == ["asked", "released", "taken again", "asked"]
    for exchange in others:
        await exchange.end()


@pytest.mark.parametrize("outcome", [*ANSWERS, TimedOut(sent=True), ValueError(), asyncio.CancelledError()])
async def test_every_outcome_frees_the_slot(clock: Clock, outcome: BaseException | None) -> None:
    limit = ProviderLimit("acme", limits={Use.EXCHANGE: 1}, clock=clock)
    for _ in range(3):
        (exchange,) = await under_way(limit)
        await exchange.end(outcome)


async def test_a_cancelled_wait_takes_no_slot(limit: ProviderLimit) -> None:
    exchanges = await under_way(limit, 8)
    waiting = [Exchange(limit, wait=60) for _ in range(20)]
    await asyncio.sleep(0)
    for exchange in waiting:
        exchange.task.cancel()
    await asyncio.gather(*(exchange.task for exchange in waiting), return_exceptions=True)
    for exchange in exchanges:
        await exchange.end()
    for exchange in await under_way(limit, 8):
        await exchange.end()


@pytest.mark.parametrize("fault", [Busy(), CircuitOpen(7)])
def test_held_back_faults_say_that_nothing_was_sent(fault: HeldBack) -> None:
    assert isinstance(fault, TransportFailure)
    assert not fault.sent
    assert str(fault) in (
        "no answer: too many requests to it are in progress (nothing was sent)",
        "no answer: the provider has not answered in time lately (nothing was sent)",
    )
