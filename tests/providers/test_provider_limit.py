"""How many exchanges with a provider are allowed, and when its circuit breaker opens."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from providers.circuit_breaker import LONGEST_PAUSE, TIMEOUTS
from providers.errors import (
    Busy,
    CircuitOpen,
    ErrorAnswer,
    HeldBack,
    Meaning,
    RequestFailed,
    TimedOut,
    TransportFailure,
    Unreachable,
    UnreadableResponse,
)
from providers.provider_limit import LIMIT, Permit, ProviderLimit, ProviderLimits
from wire.http.pool import MAX_CONNECTIONS

ANSWERS = [
    None,
    ErrorAnswer("invalid_grant", 400, Meaning.GRANT_OVER),
    ErrorAnswer(None, 503, Meaning.TEMPORARY),
    UnreadableResponse("the body is too large", 200),
    TransportFailure("the connection broke", sent=True),
    Unreachable(),
]


@dataclass
class Clock:
    now: float = 0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> ProviderLimit:
    return ProviderLimit("acme", limit=8, clock=clock)


async def ask(limit: ProviderLimit, outcome: BaseException | None = None, wait: float = 0) -> None:
    with await limit.permit(wait):
        if outcome is not None:
            raise outcome


async def time_out(limit: ProviderLimit, times: int = 1, *, sent: bool = True) -> None:
    for _ in range(times):
        with pytest.raises(TimedOut):
            await ask(limit, TimedOut(sent=sent))


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


async def is_open(limit: ProviderLimit) -> int:
    """The seconds in the error."""
    with pytest.raises(CircuitOpen) as raised:
        await ask(limit, wait=60)
    return raised.value.retry_after


class Exchange:
    """An exchange that is in progress until it is ended."""

    def __init__(self, limit: ProviderLimit, wait: float = 0) -> None:
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.entered = asyncio.Event()
        self.task = asyncio.create_task(self._run(limit, wait))

    async def _run(self, limit: ProviderLimit, wait: float) -> None:
        with await limit.permit(wait) as permit:
            self.permit: Permit = permit
            self.entered.set()
            await self._end

    async def end(self, outcome: BaseException | None = None) -> BaseException | None:
        if outcome is None:
            self._end.set_result(None)
        else:
            self._end.set_exception(outcome)
        return (await asyncio.gather(self.task, return_exceptions=True))[0]


async def under_way(limit: ProviderLimit, count: int = 1) -> list[Exchange]:
    exchanges = [Exchange(limit) for _ in range(count)]
    for exchange in exchanges:
        await exchange.entered.wait()
    return exchanges


# Slots


def test_the_limit_is_below_the_number_of_connections() -> None:
    assert LIMIT < MAX_CONNECTIONS


def test_each_provider_has_a_limit_of_its_own() -> None:
    limits = ProviderLimits()
    assert limits.of("acme") is limits.of("acme") is not limits.of("other")


async def test_one_exchange_above_the_limit_raises_busy(limit: ProviderLimit) -> None:
    exchanges = await under_way(limit, 8)
    began = time.monotonic()
    with pytest.raises(Busy) as raised:
        await ask(limit, wait=0.05)
    assert 0.04 < time.monotonic() - began < 2
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


@pytest.mark.parametrize("outcome", [*ANSWERS, TimedOut(sent=True), ValueError(), asyncio.CancelledError()])
async def test_every_outcome_frees_the_slot(clock: Clock, outcome: BaseException | None) -> None:
    limit = ProviderLimit("acme", limit=1, clock=clock)
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


# Opening


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


async def test_an_unused_permit_changes_nothing(limit: ProviderLimit) -> None:
    for _ in range(TIMEOUTS):
        with await limit.permit(0) as permit:
            permit.leave_unused()
        await time_out(limit)
    await is_open(limit)


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


# Half-open


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


async def test_each_failed_probe_doubles_the_pause(opened: ProviderLimit, clock: Clock) -> None:
    for pause in (1, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE):
        assert await is_open(opened) == pause
        clock.now += pause
        await time_out(opened)


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


async def test_a_probe_needs_no_slot(limit: ProviderLimit, clock: Clock) -> None:
    hanging = await under_way(limit, 8)
    for exchange in hanging[:TIMEOUTS]:
        await exchange.end(TimedOut(sent=True))
    stuck = hanging[TIMEOUTS:]
    clock.now = 1
    (probe,) = await under_way(limit)
    await probe.end()
    for exchange in stuck:
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


# What is logged


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


@pytest.mark.parametrize("fault", [Busy(), CircuitOpen(7)])
def test_held_back_faults_say_that_nothing_was_sent(fault: HeldBack) -> None:
    assert isinstance(fault, TransportFailure)
    assert not fault.sent
    assert "nothing was sent" in str(fault)
