"""Faults that send another answer at once, without processing the request."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response
from starlette.types import ASGIApp

from sandbox import responses
from sandbox.endpoint_request import EndpointRequest, Fault
from sandbox.fault_plan import PlannedFault
from sandbox.oauth import OAuthError

_JSON, _TEXT, _HTML = "application/json", "text/plain", "text/html"
_PAGE = "<!doctype html><title>Maintenance</title><h1>We'll be back soon</h1>"


def _fixed(body: str, status: int, media_type: str) -> Fault:
    async def fault(_request: EndpointRequest, _planned: PlannedFault) -> ASGIApp:
        return Response(body, status, media_type=media_type)

    return fault


def _unavailable(status: int) -> Fault:
    async def fault(_request: EndpointRequest, planned: PlannedFault) -> ASGIApp:
        retry_after = str(int(planned.duration(1)))
        return responses.document({"error": "temporarily_unavailable"}, status, {"Retry-After": retry_after})

    return fault


def _error(error: str, description: str, status: int = 400) -> Fault:
    """`{sent}` in the description is what the request sent."""

    async def fault(request: EndpointRequest, _planned: PlannedFault) -> ASGIApp:
        sent = "refresh token" if request.call.grant_type == "refresh_token" else "code"
        fault = OAuthError(error, description.format(sent=sent), status=status)
        return responses.token_error(request.provider.dialect, fault, endpoint=request.call.endpoint)

    return fault


def _temporary(error: str, description: str, status: int) -> Fault:
    async def fault(request: EndpointRequest, planned: PlannedFault) -> ASGIApp:
        fault, dialect = OAuthError(error, description, status=status), request.provider.dialect
        return responses.token_error(dialect, fault, endpoint=request.call.endpoint, wait=planned.duration(1))

    return fault


async def redirect(_request: EndpointRequest, _planned: PlannedFault) -> ASGIApp:
    # Relative, so that it leads to the endpoint `elsewhere` wherever the sandbox is mounted.
    return responses.redirect("elsewhere")


async def entry_error(request: EndpointRequest, planned: PlannedFault) -> ASGIApp:
    dialect, endpoint = request.provider.dialect, request.call.endpoint
    fault, form = OAuthError("invalid_request", "the request is not valid"), dialect.errors_at(endpoint)[planned.row]
    return responses.token_error(dialect, fault, endpoint=endpoint, form=form, wait=planned.duration(1))


async def error_echo(request: EndpointRequest, _planned: PlannedFault) -> ASGIApp:
    sent = _sent(request)
    text = " ".join(f"{name}={value}" for name, value in sent.items())
    document = {**sent, "error": "invalid_request", "error_description": text, "error_uri": f"urn:echo:{quote(text)}"}
    headers = {f"X-Echo-{number}": value for number, value in enumerate(sent.values()) if _fits_header(value)}
    return responses.document(document, 400, headers)


async def error_code_echo(request: EndpointRequest, _planned: PlannedFault) -> ASGIApp:
    sent = _sent(request)
    secret = next((sent[name] for name in ("code", "refresh_token", "token", "Authorization") if name in sent), "")
    return responses.document({"error": secret}, 400)


def elsewhere(request: EndpointRequest) -> Response:
    """The target of `redirect`, which answers every request with what looks like a success."""
    request.call.outcome = "followed"
    return responses.document({"access_token": "elsewhere", "token_type": "Bearer", "expires_in": 3600})


def _sent(request: EndpointRequest) -> dict[str, str]:
    authorization = {"Authorization": request.authorization} if request.authorization else {}
    return {**request.query.values, **request.form.values, **request.call.headers, **authorization}


def _fits_header(value: str) -> bool:
    return value.isascii() and value.isprintable()


FAULTS: dict[str, Fault] = {
    "status_500": _fixed("Internal Server Error", 500, _TEXT),
    "status_503": _unavailable(503),
    "status_429": _unavailable(429),
    "slow_down": _temporary("slow_down", "there were too many requests", 429),
    "passing": _temporary("temporarily_unavailable", "the server is unavailable", 503),
    "html": _fixed(_PAGE, 200, _HTML),
    "not_json": _fixed('{"access_token": "cut", "token_ty', 200, _JSON),
    "empty": _fixed("", 200, _JSON),
    "redirect": redirect,
    "opaque_400": _fixed("Bad Request", 400, _TEXT),
    "entry_error": entry_error,
    "error_200": _fixed('{"error": "invalid_grant"}', 200, _JSON),
    "error_echo": error_echo,
    "error_code_echo": error_code_echo,
    "invalid_client": _error("invalid_client", "client authentication failed", 401),
    "invalid_grant": _error("invalid_grant", "the {sent} is not valid"),
    "unauthorized_client": _error("unauthorized_client", "the client may not do this"),
    "access_denied": _error("access_denied", "access was denied"),
}
