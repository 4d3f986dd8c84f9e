"""Reads the bearer token of a request (RFC 6750 2.1); the interface of token verification; and the verifier for each
value of TENDON_AUTH."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Final, Protocol

from gateway.bearer.endpoint import open_client
from gateway.bearer.introspection import IntrospectionVerifier
from gateway.bearer.jws import read_jws
from gateway.settings import Settings
from resolvers.caller import PLATFORM_SCOPES, SERVICE_SCOPES, Caller
from resolvers.errors import InvalidToken

MAX_TOKEN: Final = 8 * 1024

# RFC 9110 11.1
_SCHEME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# RFC 6750's b64token, plus `:` and `@` for dev tokens such as dev:alice@example.org.
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/:@]+=*")
_DEV_TOKEN: Final = re.compile(r"(?P<kind>dev|dev-service):(?P<name>[A-Za-z0-9._@-]{1,64})")


def read_bearer(headers: Sequence[str]) -> str | None:
    """The token of `Authorization: Bearer …`; None without such a header, and for another scheme (RFC 6750 3.1).

    `headers` are the values of all Authorization headers in the request. Raises InvalidToken when there are several,
    because a proxy may have checked a different one than Tendon would; for a header without a scheme; and for a token
    that is malformed or longer than MAX_TOKEN.
    """
    if not headers:
        return None
    if len(headers) > 1:
        raise InvalidToken("there are two Authorization headers")
    scheme, _, rest = headers[0].partition(" ")
    token = rest.strip(" ")
    if scheme.lower() != "bearer":
        if _SCHEME.fullmatch(scheme):
            return None
        raise InvalidToken("the Authorization header is malformed")
    if len(token) > MAX_TOKEN or not _TOKEN.fullmatch(token):
        raise InvalidToken("the token is malformed")
    return token


class Verifier(Protocol):
    """Verifies bearer tokens, and finds the caller of each."""

    async def verify(self, token: str) -> Caller:
        """The caller with `token`, which must come from `read_bearer`.

        Raises InvalidToken (401) when the token is not or no longer valid, ServiceUnavailable (503, with
        `retry_after` in seconds) when it can't be verified now, and no other exception.
        """
        ...

    async def close(self) -> None:
        """Wait for the calls in progress (each has a deadline), then close the connections."""
        ...


def open_verifier(settings: Settings) -> Verifier:
    """The verifier for `settings.auth`. This makes no request; close the verifier when the process stops.

    Raises ValueError when a setting that it requires is missing, which `read_settings` would have reported.
    """
    match settings.auth:
        case "dev":
            return DevVerifier()
        case "introspection":
            return _introspection(settings)
        case "jwt":
            return _jwt(settings)
        case "introspection+jwt":
            return EitherVerifier(introspection=_introspection(settings), jwt=_jwt(settings))


class DevVerifier:
    """Accepts every token of the right form: `dev:alice` is the user alice with the platform's scopes, in the app
    "dev", and `dev-service:NAME` is a service with all scopes. `tendon serve` uses it on loopback addresses only."""

    async def verify(self, token: str) -> Caller:
        found = _DEV_TOKEN.fullmatch(token)
        if found is None:
            raise InvalidToken("not a dev token", hint="In dev, write dev:NAME.")
        if found["kind"] == "dev-service":
            return Caller(user=None, client_id=found["name"], scopes=PLATFORM_SCOPES | SERVICE_SCOPES)
        return Caller(user=found["name"], client_id="dev", scopes=PLATFORM_SCOPES)

    async def close(self) -> None:
        """There is nothing to close."""


class EitherVerifier:
    """Verifies tokens that have the form of a JWT with `jwt`, and all others with `introspection`.

    That form is three base64url parts, of which the first is a JSON object with `alg`.
    """

    def __init__(self, introspection: Verifier, jwt: Verifier) -> None:
        self._introspection = introspection
        self._jwt = jwt

    async def verify(self, token: str) -> Caller:
        verifier = self._introspection if read_jws(token) is None else self._jwt
        return await verifier.verify(token)

    async def close(self) -> None:
        await asyncio.gather(self._introspection.close(), self._jwt.close())


def _introspection(settings: Settings) -> Verifier:
    return IntrospectionVerifier(
        open_client(),
        _required("introspection_url", settings.introspection_url),
        _required("introspection_client_id", settings.introspection_client_id),
        _required("introspection_client_secret", settings.introspection_client_secret),
        audience=settings.audience,
        services=settings.service_clients,
    )


def _jwt(settings: Settings) -> Verifier:
    # Imported here because joserfc takes long to import, and the other ways don't need it.
    from gateway.bearer.jwt import JWTVerifier  # noqa: PLC0415

    return JWTVerifier(
        open_client(),
        _required("jwks_url", settings.jwks_url),
        _required("issuer", settings.issuer),
        _required("audience", settings.audience),
        services=settings.service_clients,
    )


def _required(name: str, value: str | None) -> str:
    if value is None:
        message = f"{name} is missing"
        raise ValueError(message)
    return value
