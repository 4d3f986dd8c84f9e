"""A request to an endpoint. It is read completely and logged, then answered by the endpoint or by a fault."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from sandbox.client import auth_method
from sandbox.oauth import Parameters
from sandbox.provider import Call, Provider

_MAX_BODY = 64 * 1024
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """A request that was read and logged. `form` is empty if the body is not a form (`is_form`); `call` is its entry in
    the log; `respond` is the function of the endpoint that answers it."""

    provider: Provider
    query: Parameters
    form: Parameters
    is_form: bool
    authorization: str | None
    call: Call
    respond: Callable[[EndpointRequest], Response]

    def answer(self) -> Response:
        """Process the request and return the correct answer. No other task runs in between."""
        return self.respond(self)


Fault = Callable[[EndpointRequest, float | None], Awaitable[ASGIApp]]
"""Takes the request and the seconds that were planned with the fault. Returns the ASGI application that answers it."""


async def read_request(
    provider: Provider, endpoint: str, request: Request, respond: Callable[[EndpointRequest], Response]
) -> EndpointRequest:
    """Read the whole request, and log it."""
    is_form = request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
    body = await _body(request)
    query = Parameters.read(request.scope["query_string"])
    form = Parameters.read(body) if is_form else Parameters()
    authorization = request.headers.get("authorization")
    call = provider.calls.open(
        slug=provider.slug,
        endpoint=endpoint,
        method=request.method,
        query=query.values,
        form=form.values,
        authorization=authorization,
        auth=auth_method(authorization, form),
        grant_type=form.get("grant_type"),
        code=form.get("code"),
    )
    return EndpointRequest(provider, query, form, is_form, authorization, call, respond)


async def _body(request: Request) -> bytes:
    """The body, truncated to _MAX_BODY bytes, because the log keeps it."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk[: _MAX_BODY - len(body)]
    return bytes(body)
