"""From settings to a verifier: the one place that knows which way needs which setting."""

from __future__ import annotations

from typing import Protocol

from gateway.bearer.dev import DevVerifier
from gateway.bearer.endpoint import open_client
from gateway.bearer.introspection import IntrospectionVerifier
from gateway.bearer.verifier import EitherVerifier, Verifier
from wire import uri


class Secret(Protocol):
    """A text that doesn't print itself, such as pydantic's SecretStr."""

    def get_secret_value(self) -> str: ...


class BearerSettings(Protocol):
    """The settings TENDON_AUTH, TENDON_INTROSPECTION_URL … as attributes; empty counts as missing."""

    @property
    def auth(self) -> str | None: ...
    @property
    def introspection_url(self) -> str | None: ...
    @property
    def introspection_client_id(self) -> str | None: ...
    @property
    def introspection_client_secret(self) -> str | Secret | None: ...
    @property
    def jwks_url(self) -> str | None: ...
    @property
    def issuer(self) -> str | None: ...
    @property
    def audience(self) -> str | None: ...


def open_verifier(settings: BearerSettings) -> Verifier:
    """The verifier that `settings.auth` names. It asks nobody yet; close it when the gateway stops.

    Raises ValueError, naming the TENDON_ setting, when one is missing, is no URL, or names no such way.
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
        case _:
            raise ValueError("TENDON_AUTH must be dev, introspection, jwt or introspection+jwt.")


def _introspection(settings: BearerSettings) -> Verifier:
    url = _url("TENDON_INTROSPECTION_URL", settings.introspection_url)
    client_id = _text("TENDON_INTROSPECTION_CLIENT_ID", settings.introspection_client_id)
    client_secret = _text("TENDON_INTROSPECTION_CLIENT_SECRET", settings.introspection_client_secret)
    return IntrospectionVerifier(open_client(), url, client_id, client_secret, audience=settings.audience or None)


def _jwt(settings: BearerSettings) -> Verifier:
    # joserfc is not needed, and not paid for at start, in the other ways.
    from gateway.bearer.jwt import JWTVerifier  # noqa: PLC0415

    url = _url("TENDON_JWKS_URL", settings.jwks_url)
    issuer = _text("TENDON_ISSUER", settings.issuer)
    return JWTVerifier(open_client(), url, issuer, _text("TENDON_AUDIENCE", settings.audience))


def _url(name: str, value: str | None) -> str:
    url = _text(name, value)
    if not (uri.is_absolute(url) and uri.is_web(url)):
        message = f"{name} must be an http or https URL without user or fragment."
        raise ValueError(message)
    return url


def _text(name: str, value: str | Secret | None) -> str:
    text = value if isinstance(value, str) or value is None else value.get_secret_value()
    if not text:
        message = f"{name} is missing."
        raise ValueError(message)
    return text
