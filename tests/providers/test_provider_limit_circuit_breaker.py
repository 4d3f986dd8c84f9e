"""When a provider's circuit breaker opens, and how it closes again."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from providers.errors import (
    Busy,
    CircuitOpen,
    ErrorAnswer,
    Meaning,
    RequestFailed,
    TimedOut,
)
from providers.provider_limit import TIMEOUTS, ProviderLimit
from tests.providers.permits import ANSWERS, Clock, Exchange, ask, is_open, time_out, under_way
from tests.wire.http.event_loops import on_a_leaping_clock
from tests.wire.http.fetching import soon


@pytest.mark.parametrize("sent", [True, False])
async def test_timeouts_while_this_process_stood_still_do_not_count(limit: ProviderLimit, *, sent: bool) -> None:
    await time_out(limit, TIMEOUTS - 1)
    for _ in range(TIMEOUTS):
        with pytest.raises(TimedOut):
            await ask(limit, TimedOut(sent=sent, stood_still=True))
    # They don't count as answers either: one more opens the circuit.
    await time_out(limit)
    assert await is_open(limit)


async def test_error_answers_that_never_end_count_as_timeouts(limit: ProviderLimit) -> None:
    for _ in range(TIMEOUTS):
        with pytest.raises(ErrorAnswer):
            await ask(limit, ErrorAnswer(None, 503, Meaning.TEMPORARY, overdue=True))
    assert await is_open(limit)


@pytest.mark.parametrize("sent", [True, False])
async def test_consecutive_timeouts_open_the_circuit(limit: ProviderLimit, sent: bool) -> None:
    await time_out(limit, TIMEOUTS - 1, sent=sent)
    await ask(limit)
    await time_out(limit, TIMEOUTS, sent=sent)
    assert await is_open(limit) == 1


@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_answer_in_between_keeps_the_circuit_closed(
    limit: ProviderLimit, answer: RequestFailed | None
) -> None:
    for _ in range(4):
        await time_out(limit, TIMEOUTS - 1)
        await asyncio.gather(ask(limit, answer), return_exceptions=True)
    await ask(limit)


@pytest.mark.parametrize("answer", ANSWERS)
async def test_other_faults_never_open_the_circuit(limit: ProviderLimit, answer: RequestFailed | None) -> None:
    for _ in range(10 * TIMEOUTS):
        await asyncio.gather(ask(limit, answer), return_exceptions=True)
    await ask(limit)


@pytest.mark.parametrize("outcome", [Busy(), CircuitOpen(1), ValueError(), asyncio.CancelledError()])
async def test_outcomes_without_a_verdict_change_nothing(limit: ProviderLimit, outcome: BaseException) -> None:
    for _ in range(TIMEOUTS):
        await asyncio.gather(ask(limit, outcome), return_exceptions=True)
        await time_out(limit)
    await is_open(limit)


@pytest.mark.parametrize("outcome", [*ANSWERS, TimedOut(sent=False), ValueError(), asyncio.CancelledError()])
async def test_an_unused_permit_changes_nothing(limit: ProviderLimit, outcome: BaseException | None) -> None:
    """However its block ends, the provider was not asked. So whoever comes with a code that somebody else has claimed
    neither keeps the circuit closed nor opens it."""

    async def ask_nothing() -> None:
        with await limit.permit(0) as permit:
            permit.leave_unused()
            if outcome is not None:
                raise outcome

    for _ in range(2 * TIMEOUTS):
        await asyncio.gather(ask_nothing(), return_exceptions=True)
    for _ in range(TIMEOUTS - 1):
        await time_out(limit)
        await asyncio.gather(ask_nothing(), return_exceptions=True)
    await time_out(limit)
    await is_open(limit)


async def test_a_permit_that_was_left_unused_is_no_timeout_whatever_was_noted(limit: ProviderLimit) -> None:
    for _ in range(2 * TIMEOUTS):
        with await limit.permit(0) as permit:
            permit.note(TimedOut(sent=True))
            permit.leave_unused()
    await ask(limit)


async def test_a_noted_fault_counts_instead_of_the_exception(limit: ProviderLimit) -> None:
    async def translate() -> None:
        with await limit.permit(0) as permit:
            permit.note(TimedOut(sent=True))
            raise ValueError("translated")

    for _ in range(TIMEOUTS):
        with pytest.raises(ValueError, match="translated"):
            await translate()
    await is_open(limit)


async def test_waiting_exchanges_fail_when_the_circuit_opens(limit: ProviderLimit) -> None:
    exchanges = await under_way(limit, 8)
    waiting = [Exchange(limit, wait=60) for _ in range(20)]
    await asyncio.sleep(0)
    for exchange in exchanges:
        await exchange.end(TimedOut(sent=True))
    entered = [exchange for exchange in waiting if exchange.entered.is_set()]
    assert len(entered) < TIMEOUTS
    outcomes = await asyncio.gather(*(each.task for each in waiting if each not in entered), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {CircuitOpen}
    for exchange in entered:
        await exchange.end()


@pytest.fixture
async def opened(limit: ProviderLimit) -> ProviderLimit:
    await time_out(limit, TIMEOUTS)
    return limit


async def test_one_probe_at_a_time(opened: ProviderLimit, clock: Clock) -> None:
    clock.now = 0.99
    assert await is_open(opened) == 1
    clock.now = 1
    (probe,) = await under_way(opened)
    assert await is_open(opened) == 1
    assert await probe.end() is None
    await ask(opened)


@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_answer_to_the_probe_closes_the_circuit(
    opened: ProviderLimit, clock: Clock, answer: RequestFailed | None
) -> None:
    clock.now = 1
    await asyncio.gather(ask(opened, answer), return_exceptions=True)
    for exchange in await under_way(opened, 8):
        await exchange.end()
    # The count begins anew.
    await time_out(opened, TIMEOUTS)
    assert await is_open(opened) == 1


async def test_each_failed_probe_doubles_the_pause_up_to_half_a_minute(opened: ProviderLimit, clock: Clock) -> None:
    for pause in (1, 2, 4, 8, 16, 30, 30):
        assert await is_open(opened) == pause
        clock.now += pause
        await time_out(opened)


async def test_the_time_to_the_next_probe_is_rounded_up(opened: ProviderLimit, clock: Clock) -> None:
    for pause in (1, 2, 4):
        clock.now += pause
        await time_out(opened)
    for passed, left in ((0.1, 8), (0.9, 7), (0.5, 7), (6.4, 1), (0.1, None)):
        clock.now += passed
        assert (await is_open(opened) if left else await ask(opened)) == left


def test_five_timeouts_open_the_circuit() -> None:
    assert TIMEOUTS == 5


@pytest.mark.parametrize("outcome", [ValueError(), asyncio.CancelledError(), Busy()])
async def test_a_probe_without_a_verdict_is_followed_by_another(
    opened: ProviderLimit, clock: Clock, outcome: BaseException
) -> None:
    clock.now = 1
    for _ in range(3):
        (probe,) = await under_way(opened)
        await is_open(opened)
        await probe.end(outcome)
    (probe,) = await under_way(opened)
    probe.permit.leave_unused()
    await probe.end()
    await ask(opened)
    await asyncio.gather(*(ask(opened) for _ in range(8)))


async def test_a_cancelled_probe_is_followed_by_another(opened: ProviderLimit, clock: Clock) -> None:
    clock.now = 1
    (probe,) = await under_way(opened)
    probe.task.cancel()
    await asyncio.gather(probe.task, return_exceptions=True)
    await ask(opened)


@on_a_leaping_clock
async def test_a_probe_needs_no_slot_and_nobody_waits_for_one_beside_it(limit: ProviderLimit, clock: Clock) -> None:
    await time_out(limit, TIMEOUTS - 1)
    opening, *stuck = await under_way(limit, 8)
    await opening.end(TimedOut(sent=True))
    # All slots but one are held by exchanges that hang.
    clock.now = 1
    (probe,) = await under_way(limit)
    began = soon(0)
    assert await is_open(limit) == 1
    assert soon(0) == began
    await probe.end()
    for exchange in stuck:
        await exchange.end()
    for exchange in await under_way(limit, 8):
        await exchange.end()


async def test_an_answer_to_an_earlier_call_closes_the_circuit(limit: ProviderLimit) -> None:
    (early,) = await under_way(limit)
    await time_out(limit, TIMEOUTS)
    await is_open(limit)
    assert await early.end() is None
    await ask(limit)


async def test_timeouts_of_earlier_calls_change_nothing(limit: ProviderLimit, clock: Clock) -> None:
    early = await under_way(limit, 7)
    await time_out(limit, TIMEOUTS)
    await early[0].end(TimedOut(sent=True))
    assert await is_open(limit) == 1
    clock.now = 1
    (probe,) = await under_way(limit)
    await early[1].end(TimedOut(sent=True))
    assert await probe.end() is None
    for exchange in early[2:]:
        await exchange.end(TimedOut(sent=True))
    await ask(limit)


async def test_a_probe_does_not_count_after_the_circuit_was_closed(limit: ProviderLimit, clock: Clock) -> None:
    (early,) = await under_way(limit)
    await time_out(limit, TIMEOUTS)
    clock.now = 1
    (probe,) = await under_way(limit)
    await early.end()
    await probe.end(TimedOut(sent=True))
    await time_out(limit, TIMEOUTS)
    assert await is_open(limit) == 1


async def test_changes_of_the_circuit_are_logged(limit: ProviderLimit, clock: Clock) -> None:
    with capture_logs() as logged:
        await time_out(limit, TIMEOUTS)
        await is_open(limit)
        clock.now = 1
        await time_out(limit)
        clock.now = 3
        with pytest.raises(ValueError, match="nothing"):
            await ask(limit, ValueError("nothing"))
        await ask(limit)
        await ask(limit)
    lines = [(line["log_level"], line["event"], line["provider"], line["state"]) for line in logged]
    event, provider = "provider.circuit", "acme"
    assert lines == [
        ("warning", event, provider, "open"),
        ("info", event, provider, "half-open"),
        ("warning", event, provider, "open"),
        ("info", event, provider, "half-open"),
        ("info", event, provider, "closed"),
    ]
    assert [line["seconds"] for line in logged if line["state"] == "open"] == [1, 2]
