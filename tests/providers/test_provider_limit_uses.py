"""Exchanges, refreshes and revocations at one provider: slots of their own, one circuit breaker."""

from __future__ import annotations

import asyncio
from itertools import chain

import pytest

from providers.errors import Busy, TimedOut
from providers.provider_limit import TIMEOUTS, ProviderLimit, Use
from tests.providers.permits import Clock, ask, is_open, time_out, under_way

LIMITS = {Use.EXCHANGE: 3, Use.REFRESH: 2, Use.REVOCATION: 1}


@pytest.fixture
def limit(clock: Clock) -> ProviderLimit:
    return ProviderLimit("acme", limits=LIMITS, clock=clock)


@pytest.mark.parametrize("many", LIMITS)
async def test_many_requests_of_one_kind_hold_up_no_other(limit: ProviderLimit, many: Use) -> None:
    requests = await under_way(limit, LIMITS[many], many)
    for use in LIMITS:
        if use is many:
            with pytest.raises(Busy):
                await ask(limit, use=use)
        else:
            await ask(limit, use=use)
    for request in requests:
        await request.end()
    await ask(limit, use=many)


@pytest.mark.parametrize("ended", LIMITS)
async def test_the_end_of_a_request_frees_a_slot_of_its_own_kind_only(limit: ProviderLimit, ended: Use) -> None:
    requests = {use: await under_way(limit, LIMITS[use], use) for use in LIMITS}
    await requests[ended].pop().end()
    for use in LIMITS:
        results = await asyncio.gather(ask(limit, use=use), return_exceptions=True)
        assert [type(result) for result in results] == ([type(None)] if use is ended else [Busy])
    for request in chain.from_iterable(requests.values()):
        await request.end()


@pytest.mark.parametrize("use", LIMITS)
async def test_timeouts_of_each_kind_open_the_circuit_for_all(limit: ProviderLimit, use: Use) -> None:
    await time_out(limit, TIMEOUTS, use=use)
    for other in LIMITS:
        assert await is_open(limit, other) == 1


async def test_timeouts_of_all_kinds_count_together(limit: ProviderLimit) -> None:
    for number in range(TIMEOUTS):
        await time_out(limit, use=list(LIMITS)[number % len(LIMITS)])
    await is_open(limit)


@pytest.mark.parametrize("use", LIMITS)
async def test_a_probe_of_each_kind_closes_the_circuit_for_all(limit: ProviderLimit, clock: Clock, use: Use) -> None:
    stuck = await under_way(limit, LIMITS[use], use)
    await time_out(limit, TIMEOUTS, use=Use.EXCHANGE if use is not Use.EXCHANGE else Use.REFRESH)
    clock.now = 1
    # All slots of its kind are held by requests that hang, and a probe needs none.
    (probe,) = await under_way(limit, 1, use)
    for other in LIMITS:
        await is_open(limit, other)
    await probe.end()
    for other in LIMITS:
        if other is not use:
            await ask(limit, use=other)
    for request in stuck:
        await request.end(TimedOut(sent=True))
