"""Tendon's client credentials at a provider (RFC 6749 2.2 and 2.3), from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from providers.entry.headers import CLIENT_ID, filled, placeholders
from providers.entry.provider import Provider
from providers.entry.values import NO_PARAMS
from wire.http.client import Headers


class Credentials(msgspec.Struct, frozen=True):
    """`client_secret` is None only for a public client. `secrets` are those that the entry names beyond it."""

    client_id: str
    client_secret: str | None
    secrets: Mapping[str, str] = NO_PARAMS

    def __repr__(self) -> str:
        return f"Credentials(client_id={self.client_id!r})"

    def fill(self, headers: Mapping[str, str], **tokens: str) -> Headers:
        """The header fields of an entry as they are sent. `tokens` are values of further placeholders."""
        values = {CLIENT_ID: self.client_id, **self.secrets, **tokens}
        return tuple((name, filled(text, values)) for name, text in headers.items())


def environment_name(slug: str, name: str) -> str:
    """The environment variable for `name` of a provider, such as OURA_CLIENT_ID for `oura` and `client_id`."""
    return f"{slug}_{name}".upper().replace("-", "_")


def credential_names(provider: Provider) -> list[str]:
    """What the provider needs of us: `client_id`, `client_secret` unless we are a public client, and what its entry
    names in `registration.secrets`."""
    names = ["client_id"] if provider.token.auth == "none" else ["client_id", "client_secret"]
    return [*names, *provider.registration.secrets]


def names_in_headers(provider: Provider) -> set[str]:
    """Which of them header fields of its entry contain."""
    tables = (provider.token, provider.account, provider.granted, provider.api, provider.revoke)
    texts = [text for table in tables if table is not None for text in table.headers.values()]
    return placeholders(*texts).intersection(credential_names(provider))


def missing_variables(provider: Provider, environment: Mapping[str, str]) -> list[str]:
    """The environment variables of the credentials that are missing or empty."""
    names = [environment_name(provider.slug, name) for name in credential_names(provider)]
    return [name for name in names if not environment.get(name)]


def read_credentials(provider: Provider, environment: Mapping[str, str]) -> Credentials | None:
    """From `<SLUG>_CLIENT_ID`, `<SLUG>_CLIENT_SECRET` and the variables of further secrets; None if a required one is
    missing or empty."""
    if missing_variables(provider, environment):
        return None
    client_secret = environment.get(environment_name(provider.slug, "client_secret"))
    secrets = {name: environment[environment_name(provider.slug, name)] for name in provider.registration.secrets}
    client_id = environment[environment_name(provider.slug, "client_id")]
    return Credentials(client_id, client_secret or None, MappingProxyType(secrets))
