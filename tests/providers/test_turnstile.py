"""Who may ask a provider: places that are bounded, and a circuit that opens when no answers come in time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from providers.circuit import LONGEST_PAUSE, TIME_OUTS
from providers.errors import (
    Busy,
    CircuitOpen,
    ErrorAnswer,
    HeldBack,
    Meaning,
    ProviderFault,
    TimedOut,
    TransportFailure,
    Unreachable,
    UnreadableResponse,
)
from providers.turnstile import LIMIT, Permit, Turnstile, Turnstiles
from wire.http.pool import MAX_CONNECTIONS

SIGNS_OF_LIFE = [
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
def turnstile(clock: Clock) -> Turnstile:
    return Turnstile("acme", limit=8, clock=clock)


async def ask(turnstile: Turnstile, outcome: BaseException | None = None, wait: float = 0) -> None:
    with await turnstile.permit(wait):
        if outcome is not None:
            raise outcome


async def time_out(turnstile: Turnstile, times: int = 1, *, sent: bool = True) -> None:
    for _ in range(times):
        with pytest.raises(TimedOut):
            await ask(turnstile, TimedOut(sent=sent))


@pytest.mark.parametrize("sent", [True, False])
async def test_time_outs_after_a_standstill_of_ours_say_nothing(turnstile: Turnstile, *, sent: bool) -> None:
    await time_out(turnstile, TIME_OUTS - 1)
    for _ in range(TIME_OUTS):
        with pytest.raises(TimedOut):
            await ask(turnstile, TimedOut(sent=sent, stood_still=True))
    # No sign of life either: one more opens it.
    await time_out(turnstile)
    assert await is_open(turnstile)


async def test_errors_that_never_end_count_as_time_outs(turnstile: Turnstile) -> None:
    for _ in range(TIME_OUTS):
        with pytest.raises(ErrorAnswer):
            await ask(turnstile, ErrorAnswer(None, 503, Meaning.TEMPORARY, overdue=True))
    assert await is_open(turnstile)


async def is_open(turnstile: Turnstile) -> int:
    """The seconds that it tells."""
    with pytest.raises(CircuitOpen) as raised:
        await ask(turnstile, wait=60)
    return raised.value.retry_after


class Exchange:
    """One that is under way until it is ended."""

    def __init__(self, turnstile: Turnstile, wait: float = 0) -> None:
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.entered = asyncio.Event()
        self.task = asyncio.create_task(self._run(turnstile, wait))

    async def _run(self, turnstile: Turnstile, wait: float) -> None:
        with await turnstile.permit(wait) as permit:
            self.permit: Permit = permit
            self.entered.set()
            await self._end

    async def end(self, outcome: BaseException | None = None) -> BaseException | None:
        if outcome is None:
            self._end.set_result(None)
        else:
            self._end.set_exception(outcome)
        return (await asyncio.gather(self.task, return_exceptions=True))[0]


async def under_way(turnstile: Turnstile, count: int = 1) -> list[Exchange]:
    exchanges = [Exchange(turnstile) for _ in range(count)]
    for exchange in exchanges:
        await exchange.entered.wait()
    return exchanges


# Places


def test_no_exchange_waits_for_a_connection() -> None:
    assert LIMIT < MAX_CONNECTIONS


def test_each_provider_has_its_own() -> None:
    turnstiles = Turnstiles()
    assert turnstiles.of("acme") is turnstiles.of("acme") is not turnstiles.of("other")


async def test_one_more_than_there_are_places_is_told_so(turnstile: Turnstile) -> None:
    exchanges = await under_way(turnstile, 8)
    began = time.monotonic()
    with pytest.raises(Busy) as raised:
        await ask(turnstile, wait=0.05)
    assert 0.04 < time.monotonic() - began < 2
    assert not raised.value.sent
    for exchange in exchanges:
        assert await exchange.end() is None
    await ask(turnstile)


async def test_a_place_that_becomes_free_is_taken(turnstile: Turnstile) -> None:
    first, *others = await under_way(turnstile, 8)
    waiting = Exchange(turnstile, wait=60)
    await asyncio.sleep(0)
    assert not waiting.entered.is_set()
    await first.end()
    await waiting.entered.wait()
    for exchange in (waiting, *others):
        assert await exchange.end() is None


@pytest.mark.parametrize("outcome", [*SIGNS_OF_LIFE, TimedOut(sent=True), ValueError(), asyncio.CancelledError()])
async def test_each_end_frees_the_place(clock: Clock, outcome: BaseException | None) -> None:
    turnstile = Turnstile("acme", limit=1, clock=clock)
    for _ in range(3):
        (exchange,) = await under_way(turnstile)
        await exchange.end(outcome)


async def test_who_gives_up_waiting_takes_no_place(turnstile: Turnstile) -> None:
    exchanges = await under_way(turnstile, 8)
    waiting = [Exchange(turnstile, wait=60) for _ in range(20)]
    await asyncio.sleep(0)
    for exchange in waiting:
        exchange.task.cancel()
    await asyncio.gather(*(exchange.task for exchange in waiting), return_exceptions=True)
    for exchange in exchanges:
        await exchange.end()
    for exchange in await under_way(turnstile, 8):
        await exchange.end()


# Opening


@pytest.mark.parametrize("sent", [True, False])
async def test_time_outs_in_a_row_open_it(turnstile: Turnstile, sent: bool) -> None:
    await time_out(turnstile, TIME_OUTS - 1, sent=sent)
    await ask(turnstile)
    await time_out(turnstile, TIME_OUTS, sent=sent)
    assert await is_open(turnstile) == 1


@pytest.mark.parametrize("sign", SIGNS_OF_LIFE)
async def test_a_sign_of_life_between_keeps_it_closed(turnstile: Turnstile, sign: ProviderFault | None) -> None:
    for _ in range(4):
        await time_out(turnstile, TIME_OUTS - 1)
        await asyncio.gather(ask(turnstile, sign), return_exceptions=True)
    await ask(turnstile)


@pytest.mark.parametrize("sign", SIGNS_OF_LIFE)
async def test_quick_faults_never_open_it(turnstile: Turnstile, sign: ProviderFault | None) -> None:
    for _ in range(10 * TIME_OUTS):
        await asyncio.gather(ask(turnstile, sign), return_exceptions=True)
    await ask(turnstile)


@pytest.mark.parametrize("outcome", [Busy(), CircuitOpen(1), ValueError(), asyncio.CancelledError()])
async def test_what_says_nothing_neither_opens_nor_closes(turnstile: Turnstile, outcome: BaseException) -> None:
    for _ in range(TIME_OUTS):
        await asyncio.gather(ask(turnstile, outcome), return_exceptions=True)
        await time_out(turnstile)
    await is_open(turnstile)


async def test_a_permit_left_unused_says_nothing(turnstile: Turnstile) -> None:
    for _ in range(TIME_OUTS):
        with await turnstile.permit(0) as permit:
            permit.leave_unused()
        await time_out(turnstile)
    await is_open(turnstile)


async def test_a_fault_that_became_another_error_is_noted(turnstile: Turnstile) -> None:
    async def translate() -> None:
        with await turnstile.permit(0) as permit:
            permit.note(TimedOut(sent=True))
            raise ValueError("translated")

    for _ in range(TIME_OUTS):
        with pytest.raises(ValueError, match="translated"):
            await translate()
    await is_open(turnstile)


async def test_who_waits_for_a_place_learns_that_it_opened(turnstile: Turnstile) -> None:
    exchanges = await under_way(turnstile, 8)
    waiting = [Exchange(turnstile, wait=60) for _ in range(20)]
    await asyncio.sleep(0)
    for exchange in exchanges:
        await exchange.end(TimedOut(sent=True))
    entered = [exchange for exchange in waiting if exchange.entered.is_set()]
    assert len(entered) < TIME_OUTS
    told = await asyncio.gather(*(each.task for each in waiting if each not in entered), return_exceptions=True)
    assert {type(outcome) for outcome in told} == {CircuitOpen}
    for exchange in entered:
        await exchange.end()


# Half-open


@pytest.fixture
async def opened(turnstile: Turnstile) -> Turnstile:
    await time_out(turnstile, TIME_OUTS)
    return turnstile


async def test_one_probe_at_a_time(opened: Turnstile, clock: Clock) -> None:
    clock.now = 0.99
    assert await is_open(opened) == 1
    clock.now = 1
    (probe,) = await under_way(opened)
    assert await is_open(opened) == 1
    assert await probe.end() is None
    await ask(opened)


@pytest.mark.parametrize("sign", SIGNS_OF_LIFE)
async def test_a_sign_of_life_closes_it(opened: Turnstile, clock: Clock, sign: ProviderFault | None) -> None:
    clock.now = 1
    await asyncio.gather(ask(opened, sign), return_exceptions=True)
    for exchange in await under_way(opened, 8):
        await exchange.end()
    # And it counts from the beginning.
    await time_out(opened, TIME_OUTS)
    assert await is_open(opened) == 1


async def test_each_probe_that_fails_doubles_the_pause(opened: Turnstile, clock: Clock) -> None:
    for pause in (1, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE):
        assert await is_open(opened) == pause
        clock.now += pause
        await time_out(opened)


@pytest.mark.parametrize("outcome", [ValueError(), asyncio.CancelledError(), Busy()])
async def test_a_probe_without_verdict_leaves_it_to_the_next(
    opened: Turnstile, clock: Clock, outcome: BaseException
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


async def test_a_probe_that_is_cancelled_leaves_it_to_the_next(opened: Turnstile, clock: Clock) -> None:
    clock.now = 1
    (probe,) = await under_way(opened)
    probe.task.cancel()
    await asyncio.gather(probe.task, return_exceptions=True)
    await ask(opened)


async def test_a_probe_needs_no_place(turnstile: Turnstile, clock: Clock) -> None:
    hanging = await under_way(turnstile, 8)
    for exchange in hanging[:TIME_OUTS]:
        await exchange.end(TimedOut(sent=True))
    stuck = hanging[TIME_OUTS:]
    clock.now = 1
    (probe,) = await under_way(turnstile)
    await probe.end()
    for exchange in stuck:
        await exchange.end()


async def test_who_entered_before_it_opened_closes_it_too(turnstile: Turnstile) -> None:
    (early,) = await under_way(turnstile)
    await time_out(turnstile, TIME_OUTS)
    await is_open(turnstile)
    assert await early.end() is None
    await ask(turnstile)


async def test_time_outs_from_before_change_nothing(turnstile: Turnstile, clock: Clock) -> None:
    early = await under_way(turnstile, 7)
    await time_out(turnstile, TIME_OUTS)
    await early[0].end(TimedOut(sent=True))
    assert await is_open(turnstile) == 1
    clock.now = 1
    (probe,) = await under_way(turnstile)
    await early[1].end(TimedOut(sent=True))
    assert await probe.end() is None
    for exchange in early[2:]:
        await exchange.end(TimedOut(sent=True))
    await ask(turnstile)


async def test_a_probe_from_before_a_closing_is_a_probe_no_more(turnstile: Turnstile, clock: Clock) -> None:
    (early,) = await under_way(turnstile)
    await time_out(turnstile, TIME_OUTS)
    clock.now = 1
    (probe,) = await under_way(turnstile)
    await early.end()
    await probe.end(TimedOut(sent=True))
    await time_out(turnstile, TIME_OUTS)
    assert await is_open(turnstile) == 1


# What is told


async def test_changes_are_logged(turnstile: Turnstile, clock: Clock) -> None:
    with capture_logs() as logged:
        await time_out(turnstile, TIME_OUTS)
        await is_open(turnstile)
        clock.now = 1
        await time_out(turnstile)
        clock.now = 3
        with pytest.raises(ValueError, match="nothing"):
            await ask(turnstile, ValueError("nothing"))
        await ask(turnstile)
        await ask(turnstile)
    told = [(line["log_level"], line["event"], line["provider"], line["state"]) for line in logged]
    event, provider = "provider.circuit", "acme"
    assert told == [
        ("warning", event, provider, "open"),
        ("info", event, provider, "half-open"),
        ("warning", event, provider, "open"),
        ("info", event, provider, "half-open"),
        ("info", event, provider, "closed"),
    ]
    assert [line["seconds"] for line in logged if line["state"] == "open"] == [1, 2]


@pytest.mark.parametrize("fault", [Busy(), CircuitOpen(7)])
def test_held_back_means_that_nothing_was_sent(fault: HeldBack) -> None:
    assert isinstance(fault, TransportFailure)
    assert not fault.sent
    assert "nothing was sent" in str(fault)
