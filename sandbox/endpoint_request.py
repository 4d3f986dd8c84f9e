"""A request to an endpoint. It is read completely and logged, then answered by the endpoint or by a fault."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from sandbox.calls import Call
from sandbox.client import auth_method, bearer
from sandbox.fault_plan import PlannedFault
from sandbox.oauth import OAuthError, Parameters
from sandbox.provider import Provider
from sandbox.token_store import Family, token_id

_MAX_BODY = 64 * 1024
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """A request that was read and logged. `form` is empty if the body is not a form (`is_form`); `family` is that of
    the token or code that was sent; `call` is its entry in the log; `respond` is the function of the endpoint that
    answers it."""

    provider: Provider
    path: str
    query: Parameters
    form: Parameters
    is_form: bool
    body: bytes
    headers: Headers
    family: Family | None
    call: Call
    respond: Callable[[EndpointRequest], Response]

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")

    def answer(self) -> Response:
        """Process the request and return the correct answer. No other task runs in between, so of two requests with
        one token the second finds what the first did."""
        self.call.handled_at = time.time()
        return self.respond(self)

    def refused(self, error: OAuthError) -> None:
        """Log the error that is the outcome."""
        self.call.outcome, self.call.detail = error.error, error.description

    def end(self, family: Family, reason: str) -> None:
        """End the family, and log that this call did."""
        if family.end(reason):
            self.call.ended.append(family.number)


Fault = Callable[[EndpointRequest, PlannedFault], Awaitable[ASGIApp]]
"""Takes the request and the fault as it was planned. Returns the ASGI application that answers the request."""


async def read_request(
    provider: Provider, endpoint: str, request: Request, respond: Callable[[EndpointRequest], Response]
) -> EndpointRequest:
    """Read the whole request, and log it."""
    is_form = request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
    body = await _body(request)
    query = Parameters.read(request.scope["query_string"])
    form = Parameters.read(body) if is_form else Parameters()
    authorization, path = request.headers.get("authorization"), request.path_params.get("path", "")
    named = {name: request.headers[name] for name in provider.dialect.headers_at(endpoint) if name in request.headers}
    sent = next((form.values[name] for name in ("code", "refresh_token", "token") if name in form.values), None)
    sent = sent or bearer(authorization)
    if sent is None and endpoint == "revoke" and (rule := provider.dialect.revocation):
        sent = next(rule.tokens_in(path, query.values, named), None)
    family = provider.tokens.family_of(provider.key, sent)
    chosen = (form.get("account") or query.get("account")) if endpoint == "authorize" else None
    call = provider.calls.open(
        slug=provider.slug,
        site=provider.site,
        endpoint=endpoint,
        method=request.method,
        query=query.values,
        form=form.values,
        headers=named,
        authorization=authorization,
        auth=auth_method(authorization, form),
        grant_type=form.get("grant_type"),
        code=form.get("code"),
        grant=family.grant.number if family else None,
        family=family.number if family else None,
        account=family.grant.account if family else chosen,
        sent=token_id(sent) if sent else None,
    )
    return EndpointRequest(provider, path, query, form, is_form, body, request.headers, family, call, respond)


async def _body(request: Request) -> bytes:
    """The body, truncated to _MAX_BODY bytes, because the log keeps it."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk[: _MAX_BODY - len(body)]
    return bytes(body)
