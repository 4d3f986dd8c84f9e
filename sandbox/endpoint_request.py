"""A request to an endpoint. It is read completely and logged, then answered by the endpoint or by a fault."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

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
    """A request that was read and logged. `form` is empty if the body is not a form (`is_form`); `call` is its entry in
    the log; `respond` is the function of the endpoint that answers it."""

    provider: Provider
    path: str
    query: Parameters
    form: Parameters
    is_form: bool
    authorization: str | None
    call: Call
    respond: Callable[[EndpointRequest], Response]

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


def check_form(request: EndpointRequest, params: Mapping[str, str]) -> None:
    """Raises OAuthError unless the body is a well-formed form with the parameters that the provider requires."""
    if not request.is_form:
        raise OAuthError("invalid_request", "the body is not a form")
    if request.form.malformed:
        raise OAuthError("invalid_request", request.form.malformed)
    if any(request.form.get(name) != value for name, value in params.items()):
        raise OAuthError("invalid_request", "a parameter that this provider requires is missing")


async def read_request(
    provider: Provider, endpoint: str, request: Request, respond: Callable[[EndpointRequest], Response]
) -> EndpointRequest:
    """Read the whole request, and log it."""
    is_form = request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
    body = await _body(request)
    query = Parameters.read(request.scope["query_string"])
    form = Parameters.read(body) if is_form else Parameters()
    authorization = request.headers.get("authorization")
    sent = next((form.values[name] for name in ("code", "refresh_token", "token") if name in form.values), None)
    sent = sent or bearer(authorization)
    family = provider.tokens.family_of(provider.slug, sent)
    chosen = (form.get("account") or query.get("account")) if endpoint == "authorize" else None
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
        grant=family.grant.number if family else None,
        family=family.number if family else None,
        account=family.grant.account if family else chosen,
        sent=token_id(sent) if sent else None,
    )
    path = request.path_params.get("path", "")
    return EndpointRequest(provider, path, query, form, is_form, authorization, call, respond)


async def _body(request: Request) -> bytes:
    """The body, truncated to _MAX_BODY bytes, because the log keeps it."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk[: _MAX_BODY - len(body)]
    return bytes(body)
