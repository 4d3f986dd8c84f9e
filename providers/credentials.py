"""Tendon's client credentials at a provider (RFC 6749 2.2 and 2.3), from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from providers.entry.headers import CLIENT_ID, filled, placeholders
from providers.entry.provider import Provider
from providers.entry.values import NO_PARAMS
from wire.http.client import Headers

_CLIENT: Final = ("client_id", "client_secret")


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
    tables = (provider.token, provider.account, provider.api, provider.revoke)
    texts = [text for table in tables if table is not None for text in table.headers.values()]
    return placeholders(*texts).intersection(credential_names(provider))


def own_variables(provider: Provider) -> dict[str, str]:
    """The environment variables of all credentials by name, such as OURA_CLIENT_ID for `client_id`. For the entry at
    one of its sites, those of the site alone, such as DEXCOM_EU_CLIENT_ID."""
    prefix = f"{provider.site}_" if provider.site else ""
    names = (*_CLIENT, *provider.registration.secrets)
    return {name: environment_name(provider.slug, f"{prefix}{name}") for name in names}


def credential_variables(provider: Provider, environment: Mapping[str, str]) -> dict[str, str]:
    """The same, of which the values are taken: a site uses those of the provider, unless it has its own. Its id and
    secret go together."""
    own = own_variables(provider)
    if not provider.site:
        return own
    shared = own_variables(msgspec.structs.replace(provider, site=""))
    has_own = {name for name, variable in own.items() if environment.get(variable)}
    if not has_own.isdisjoint(_CLIENT):
        has_own.update(_CLIENT)
    return {name: own[name] if name in has_own else shared[name] for name in own}


def missing_variables(provider: Provider, environment: Mapping[str, str]) -> list[str]:
    """The environment variables of the credentials that are missing or empty."""
    variables = credential_variables(provider, environment)
    return [variables[name] for name in credential_names(provider) if not environment.get(variables[name])]


def read_credentials(provider: Provider, environment: Mapping[str, str]) -> Credentials | None:
    """From `<SLUG>_CLIENT_ID`, `<SLUG>_CLIENT_SECRET` and the variables of further secrets, or those of the site; None
    if a required one is missing or empty."""
    if missing_variables(provider, environment):
        return None
    variables = credential_variables(provider, environment)
    client_secret = environment.get(variables["client_secret"])
    secrets = {name: environment[variables[name]] for name in provider.registration.secrets}
    return Credentials(environment[variables["client_id"]], client_secret or None, MappingProxyType(secrets))
