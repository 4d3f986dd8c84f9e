"""Requests within a provider's limit, for the tests of the limit and of its circuit breaker."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from providers.errors import (
    CircuitOpen,
    ErrorAnswer,
    Meaning,
    TimedOut,
    TransportFailure,
    Unreachable,
    UnreadableResponse,
)
from providers.provider_limit import Permit, ProviderLimit, Use

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


async def ask(
    limit: ProviderLimit, outcome: BaseException | None = None, wait: float = 0, use: Use = Use.EXCHANGE
) -> None:
    with await limit.permit(wait, use):
        if outcome is not None:
            raise outcome


async def time_out(limit: ProviderLimit, times: int = 1, *, sent: bool = True, use: Use = Use.EXCHANGE) -> None:
    for _ in range(times):
        with pytest.raises(TimedOut):
            await ask(limit, TimedOut(sent=sent), use=use)


async def is_open(limit: ProviderLimit, use: Use = Use.EXCHANGE) -> int:
    """The seconds in the error."""
    with pytest.raises(CircuitOpen) as raised:
        await ask(limit, wait=60, use=use)
    return raised.value.retry_after


class Exchange:
    """An exchange that is in progress until it is ended."""

    def __init__(self, limit: ProviderLimit, wait: float = 0, use: Use = Use.EXCHANGE) -> None:
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.entered = asyncio.Event()
        self.task = asyncio.create_task(self._run(limit, wait, use))

    async def _run(self, limit: ProviderLimit, wait: float, use: Use) -> None:
        with await limit.permit(wait, use) as permit:
            self.permit: Permit = permit
            self.entered.set()
            await self._end

    async def end(self, outcome: BaseException | None = None) -> BaseException | None:
        if outcome is None:
            self._end.set_result(None)
        else:
            self._end.set_exception(outcome)
        return (await asyncio.gather(self.task, return_exceptions=True))[0]


async def under_way(limit: ProviderLimit, count: int = 1, use: Use = Use.EXCHANGE) -> list[Exchange]:
    exchanges = [Exchange(limit, use=use) for _ in range(count)]
    for exchange in exchanges:
        await exchange.entered.wait()
    return exchanges
