"""Tendon's client credentials at a provider (RFC 6749 2.2 and 2.3), from the environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

import msgspec

from providers.entry.headers import CLIENT_ID, filled, placeholders
from providers.entry.provider import Provider
from providers.entry.token import AssertionAlgorithm
from providers.entry.values import NO_PARAMS
from wire.http.client import Headers

_CLIENT: Final = ("client_id", "client_secret")


class SigningKey(Protocol):
    """A private key of ours. `providers/client_keys.py` has it, and joserfc with it."""

    @property
    def algorithms(self) -> tuple[AssertionAlgorithm, ...]:
        """Those that it can sign by."""
        ...

    @property
    def public(self) -> Mapping[str, str]:
        """Its public part, as a JWK (RFC 7517)."""
        ...

    def assertion(self, algorithm: AssertionAlgorithm, client_id: str, audience: str) -> str:
        """A new JWT in which the client says to `audience` who it is (RFC 7523 2.2)."""
        ...


SigningKeys = tuple[SigningKey, ...]
NO_KEYS: Final[SigningKeys] = ()


class Credentials(msgspec.Struct, frozen=True):
    """`client_secret` is None for a public client, and for one that has a `key` instead, which signs by `algorithm`.
    `secrets` are those that the entry names beyond it."""

    client_id: str
    client_secret: str | None
    secrets: Mapping[str, str] = NO_PARAMS
    key: SigningKey | None = None
    algorithm: AssertionAlgorithm | None = None

    def __repr__(self) -> str:
        return f"Credentials(client_id={self.client_id!r})"

    def assertion(self, audience: str) -> str:
        """A new assertion for a provider that requires them. `audience` is the URL of its token endpoint."""
        if self.key is None or self.algorithm is None:
            raise ValueError("this provider needs a key")
        return self.key.assertion(self.algorithm, self.client_id, audience)

    def fill(self, headers: Mapping[str, str], **tokens: str) -> Headers:
        """The header fields of an entry as they are sent. `tokens` are values of further placeholders."""
        values = {CLIENT_ID: self.client_id, **self.secrets, **tokens}
        return tuple((name, filled(text, values)) for name, text in headers.items())


def environment_name(slug: str, name: str) -> str:
    """The environment variable for `name` of a provider, such as OURA_CLIENT_ID for `oura` and `client_id`."""
    return f"{slug}_{name}".upper().replace("-", "_")


def credential_names(provider: Provider) -> list[str]:
    """What the provider needs of us: `client_id`, `client_secret` unless we are a public client or sign with a key, and
    what its entry names in `registration.secrets`."""
    has_secret = provider.token.auth not in ("private_key_jwt", "none")
    names = ["client_id", "client_secret"] if has_secret else ["client_id"]
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


def fitting_key(provider: Provider, keys: Iterable[SigningKey]) -> SigningKey | None:
    """The first key that can sign as the provider requires; None if it requires no signature."""
    return next((key for key in keys if provider.token.algorithm in key.algorithms), None)


def lacks_key(provider: Provider, keys: Iterable[SigningKey]) -> bool:
    """Whether the provider requires a signature that none of these keys can make."""
    return provider.token.algorithm is not None and fitting_key(provider, keys) is None


def read_credentials(
    provider: Provider, environment: Mapping[str, str], keys: SigningKeys = NO_KEYS
) -> Credentials | None:
    """From `<SLUG>_CLIENT_ID`, `<SLUG>_CLIENT_SECRET` and the variables of further secrets, or those of the site, and
    the first of our keys that fits; None if a required one is missing or empty."""
    if missing_variables(provider, environment) or lacks_key(provider, keys):
        return None
    variables = credential_variables(provider, environment)
    client_secret = environment.get(variables["client_secret"])
    secrets = {name: environment[variables[name]] for name in provider.registration.secrets}
    return Credentials(
        environment[variables["client_id"]],
        client_secret or None,
        MappingProxyType(secrets),
        fitting_key(provider, keys),
        provider.token.algorithm,
    )
