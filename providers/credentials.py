"""Our registration at a provider (RFC 6749 2.2), as the environment has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from providers.provider import Provider


@dataclass(frozen=True, slots=True)
class Credentials:
    """`client_secret` is None for a public client only."""

    client_id: str
    client_secret: str | None = field(repr=False)


def environment_name(slug: str, name: str) -> str:
    """The variable that holds `name` of a provider: OURA_CLIENT_ID for `oura` and `client_id`."""
    return f"{slug}_{name}".upper().replace("-", "_")


def read_credentials(provider: Provider, environment: Mapping[str, str]) -> Credentials | None:
    """From `<SLUG>_CLIENT_ID` and `<SLUG>_CLIENT_SECRET`; None when one that is needed is missing or empty."""
    client_id = environment.get(environment_name(provider.slug, "client_id"))
    client_secret = environment.get(environment_name(provider.slug, "client_secret"))
    if not client_id or not (client_secret or provider.token.auth == "none"):
        return None
    return Credentials(client_id, client_secret or None)
