"""Faults that answer something else, at once, without processing the request."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import ASGIApp

from sandbox import reply
from sandbox.exchange import Exchange
from sandbox.faults.fault import Fault
from sandbox.refusal import Refusal

_JSON, _TEXT, _HTML = "application/json", "text/plain", "text/html"
_PAGE = "<!doctype html><title>Maintenance</title><h1>We'll be back soon</h1>"


def _fixed(body: str, status: int, media_type: str) -> Fault:
    async def fault(_exchange: Exchange, _seconds: float | None) -> ASGIApp:
        return Response(body, status, media_type=media_type)

    return fault


def _later(status: int) -> Fault:
    async def fault(_exchange: Exchange, seconds: float | None) -> ASGIApp:
        retry_after = str(int(1 if seconds is None else seconds))
        return reply.document({"error": "temporarily_unavailable"}, status, {"Retry-After": retry_after})

    return fault


def _refused(make: Callable[[], Refusal]) -> Fault:
    async def fault(exchange: Exchange, _seconds: float | None) -> ASGIApp:
        return reply.token_refusal(exchange.provider.dialect, make())

    return fault


def _for_now(make: Callable[[], Refusal]) -> Fault:
    async def fault(exchange: Exchange, seconds: float | None) -> ASGIApp:
        return reply.token_refusal(exchange.provider.dialect, make(), wait=1 if seconds is None else seconds)

    return fault


async def redirect(_exchange: Exchange, _seconds: float | None) -> ASGIApp:
    # Relative, so that it leads to the neighbour of this endpoint wherever the sandbox is mounted.
    return reply.redirect("elsewhere")


async def error_echo(exchange: Exchange, _seconds: float | None) -> ASGIApp:
    sent = _sent(exchange)
    told = " ".join(f"{name}={value}" for name, value in sent.items())
    document = {**sent, "error": "invalid_request", "error_description": told, "error_uri": f"urn:echo:{quote(told)}"}
    headers = {f"X-Echo-{number}": value for number, value in enumerate(sent.values()) if _fits_header(value)}
    return reply.document(document, 400, headers)


async def error_code_echo(exchange: Exchange, _seconds: float | None) -> ASGIApp:
    sent = _sent(exchange)
    secret = next((sent[name] for name in ("code", "refresh_token", "token", "Authorization") if name in sent), "")
    return reply.document({"error": secret}, 400)


def elsewhere(exchange: Exchange) -> Response:
    """The address that `redirect` names: it takes whatever comes and looks like success."""
    exchange.call.outcome = "followed"
    return reply.document({"access_token": "elsewhere", "token_type": "Bearer", "expires_in": 3600})


def _sent(exchange: Exchange) -> dict[str, str]:
    authorization = {"Authorization": exchange.authorization} if exchange.authorization else {}
    return {**exchange.query.values, **exchange.form.values, **authorization}


def _fits_header(value: str) -> bool:
    return value.isascii() and value.isprintable()


FAULTS: dict[str, Fault] = {
    "status_500": _fixed("Internal Server Error", 500, _TEXT),
    "status_503": _later(503),
    "status_429": _later(429),
    "slow_down": _for_now(lambda: Refusal("slow_down", "there were too many requests", status=429)),
    "passing": _for_now(lambda: Refusal("temporarily_unavailable", "the server is unavailable", status=503)),
    "html": _fixed(_PAGE, 200, _HTML),
    "not_json": _fixed('{"access_token": "cut", "token_ty', 200, _JSON),
    "empty": _fixed("", 200, _JSON),
    "redirect": redirect,
    "opaque_400": _fixed("Bad Request", 400, _TEXT),
    "error_200": _fixed('{"error": "invalid_grant"}', 200, _JSON),
    "error_echo": error_echo,
    "error_code_echo": error_code_echo,
    "invalid_client": _refused(lambda: Refusal("invalid_client", "client authentication failed", status=401)),
    "invalid_grant": _refused(lambda: Refusal("invalid_grant", "the grant is not valid")),
    "unauthorized_client": _refused(lambda: Refusal("unauthorized_client", "the client may not do this")),
    "access_denied": _refused(lambda: Refusal("access_denied", "access was denied")),
}
