"""Tendon's client credentials at a provider (RFC 6749 2.2 and 2.3), from the environment."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from providers.entry.provider import Provider


class Credentials(msgspec.Struct, frozen=True):
    """`client_secret` is None only for a public client."""

    client_id: str
    client_secret: str | None

    def __repr__(self) -> str:
        return f"Credentials(client_id={self.client_id!r})"


def environment_name(slug: str, name: str) -> str:
    """The environment variable for `name` of a provider, such as OURA_CLIENT_ID for `oura` and `client_id`."""
    return f"{slug}_{name}".upper().replace("-", "_")


def missing_variables(provider: Provider, environment: Mapping[str, str]) -> list[str]:
    """The environment variables of the credentials that are missing or empty."""
    needed = ("client_id",) if provider.token.auth == "none" else ("client_id", "client_secret")
    names = [environment_name(provider.slug, name) for name in needed]
    return [name for name in names if not environment.get(name)]


def read_credentials(provider: Provider, environment: Mapping[str, str]) -> Credentials | None:
    """From `<SLUG>_CLIENT_ID` and `<SLUG>_CLIENT_SECRET`; None if a required one is missing or empty."""
    if missing_variables(provider, environment):
        return None
    client_secret = environment.get(environment_name(provider.slug, "client_secret"))
    return Credentials(environment[environment_name(provider.slug, "client_id")], client_secret or None)
