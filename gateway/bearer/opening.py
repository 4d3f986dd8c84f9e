"""Makes a verifier from settings."""

from __future__ import annotations

from typing import Protocol

from gateway.bearer.dev import DevVerifier
from gateway.bearer.endpoint import open_client
from gateway.bearer.introspection import IntrospectionVerifier
from gateway.bearer.verifier import EitherVerifier, Verifier
from gateway.settings.service_clients import ServiceClients


class Secret(Protocol):
    """A text that doesn't print itself, such as pydantic's SecretStr."""

    def get_secret_value(self) -> str: ...


class BearerSettings(Protocol):
    """The settings TENDON_AUTH, TENDON_INTROSPECTION_URL … as attributes, already validated; empty counts as
    missing."""

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
    @property
    def service_clients(self) -> ServiceClients: ...


def open_verifier(settings: BearerSettings) -> Verifier:
    """The verifier that `settings.auth` names. Opening it makes no request; close it when the gateway stops.

    Raises ValueError naming the TENDON_ setting when one is missing or `auth` has an unknown value.
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
    return IntrospectionVerifier(
        open_client(),
        _text("TENDON_INTROSPECTION_URL", settings.introspection_url),
        _text("TENDON_INTROSPECTION_CLIENT_ID", settings.introspection_client_id),
        _text("TENDON_INTROSPECTION_CLIENT_SECRET", settings.introspection_client_secret),
        audience=settings.audience or None,
        services=settings.service_clients,
    )


def _jwt(settings: BearerSettings) -> Verifier:
    # joserfc is not needed, and not paid for at start, in the other ways.
    from gateway.bearer.jwt import JWTVerifier  # noqa: PLC0415

    return JWTVerifier(
        open_client(),
        _text("TENDON_JWKS_URL", settings.jwks_url),
        _text("TENDON_ISSUER", settings.issuer),
        _text("TENDON_AUDIENCE", settings.audience),
        services=settings.service_clients,
    )


def _text(name: str, value: str | Secret | None) -> str:
    text = value if isinstance(value, str) or value is None else value.get_secret_value()
    if not text:
        message = f"{name} is missing."
        raise ValueError(message)
    return text
