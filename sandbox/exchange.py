"""One request on its way: read whole, written into the log, answered by its endpoint or spoiled by a fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from sandbox.calls import Call
from sandbox.client import presented
from sandbox.parameters import Parameters
from sandbox.provider import Provider

_LONGEST_BODY = 64 * 1024
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Exchange:
    """`form` is empty when the body is none (`is_form` tells); `respond` is the endpoint's own work."""

    provider: Provider
    query: Parameters
    form: Parameters
    is_form: bool
    authorization: str | None
    call: Call
    respond: Callable[[Exchange], Response]

    def answer(self) -> Response:
        """The right answer. It processes the request, all at once: nothing else runs meanwhile."""
        return self.respond(self)


async def _body(request: Request) -> bytes:
    """All that a form of OAuth could need, and no more is kept: the log holds it."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk[: _LONGEST_BODY - len(body)]
    return bytes(body)


async def open_exchange(
    provider: Provider, endpoint: str, request: Request, respond: Callable[[Exchange], Response]
) -> Exchange:
    """Read the whole request and log it before anything is decided."""
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
        auth=presented(authorization, form),
        grant_type=form.get("grant_type"),
        code=form.get("code"),
    )
    return Exchange(provider, query, form, is_form, authorization, call, respond)
