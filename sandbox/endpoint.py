"""The door of every endpoint: which methods it takes, and whether a fault is planned for this call."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.exchange import Exchange, open_exchange
from sandbox.faults import FAULTS
from sandbox.provider import Provider
from sandbox.reply import document


class Endpoint:
    """An ASGI application and no Starlette function: a fault needs the server's own `receive` to cut the line."""

    def __init__(
        self, provider: Provider, name: str, methods: tuple[str, ...], respond: Callable[[Exchange], Response]
    ) -> None:
        self._provider = provider
        self._name = name
        self._methods = methods
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = await open_exchange(self._provider, self._name, Request(scope, receive), self._respond)
        response = await self._response(exchange)
        await response(scope, receive, send)

    async def _response(self, exchange: Exchange) -> ASGIApp:
        call = exchange.call
        if call.method not in self._methods:
            call.outcome = "method_not_allowed"
            return document({"error": "invalid_request"}, 405, {"Allow": ", ".join(self._methods)})
        planned = self._provider.plan.take(self._provider.slug, self._name)
        if planned is None:
            return exchange.answer()
        # An answer that is worked out after all overwrites the outcome.
        call.fault = call.outcome = planned.fault
        if planned.answer is not None:
            return Response(planned.answer.body, planned.answer.status, planned.answer.headers)
        return await FAULTS[planned.fault](exchange, planned.seconds)
