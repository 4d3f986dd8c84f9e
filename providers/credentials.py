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


def missing_variables(provider: Provider, environment: Mapping[str, str]) -> list[str]:
    """The variables that are missing from the credentials; an empty one counts as missing."""
    needed = ("client_id",) if provider.token.auth == "none" else ("client_id", "client_secret")
    names = [environment_name(provider.slug, name) for name in needed]
    return [name for name in names if not environment.get(name)]


def read_credentials(provider: Provider, environment: Mapping[str, str]) -> Credentials | None:
    """From `<SLUG>_CLIENT_ID` and `<SLUG>_CLIENT_SECRET`; None when one that is needed is missing or empty."""
    if missing_variables(provider, environment):
        return None
    client_secret = environment.get(environment_name(provider.slug, "client_secret"))
    return Credentials(environment[environment_name(provider.slug, "client_id")], client_secret or None)
