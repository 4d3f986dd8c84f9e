"""What a resolver gets: the resources that all requests share, and the caller and id of its own request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog

from models.audit_event import record
from models.database import Database
from models.vault import Vault, VaultError
from models.vault_key import VaultKeys
from providers.catalogue import Catalogue, Credentials, Provider
from providers.provider_limit import ProviderLimits
from resolvers.background import Background
from resolvers.caller import Caller
from resolvers.errors import ProviderNotFound, ServiceUnavailable
from resolvers.exchanges import Exchanges
from resolvers.pseudonyms import Pseudonyms
from resolvers.redirects import RedirectAllowList
from resolvers.repeats import Repeats

log = structlog.get_logger("tendon")

if TYPE_CHECKING:
    from wire.http.client import Client


@dataclass(frozen=True, slots=True)
class Registration:
    """Our client at one provider (RFC 6749 2)."""

    provider: Provider
    credentials: Credentials
    fingerprint: str = field(init=False)
    """Changes with our client id and the endpoints: a state from before such a change can't be redeemed after."""

    def __post_init__(self) -> None:
        parts = (self.credentials.client_id, self.provider.authorize.url, self.provider.token.url)
        object.__setattr__(self, "fingerprint", hashlib.sha256("\n".join(parts).encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Resources:
    """What the process holds for all requests. `provider_timeout` is seconds for one whole exchange."""

    catalogue: Catalogue
    registrations: Mapping[str, Registration]
    redirects: RedirectAllowList
    database: Database
    vault: Vault
    client: Client
    provider_timeout: float
    background: Background
    provider_limits: ProviderLimits = field(default_factory=ProviderLimits)
    exchanges: Exchanges = field(default_factory=Exchanges)
    vault_keys: VaultKeys = field(init=False)
    pseudonyms: Pseudonyms = field(init=False)
    repeats: Repeats = field(init=False)

    def __post_init__(self) -> None:
        keys = VaultKeys(self.vault, self.database)
        object.__setattr__(self, "vault_keys", keys)
        object.__setattr__(self, "pseudonyms", Pseudonyms(self.database, keys))
        object.__setattr__(self, "repeats", Repeats(partial(record, self.database)))

    def registration(self, slug: str) -> Registration:
        """Our client at the provider. Raises ProviderNotFound. Its message distinguishes an unknown slug from a
        catalogue entry without credentials, which `providers` publicly lists as unavailable."""
        found = self.registrations.get(slug)
        if found is not None:
            return found
        if slug in self.catalogue:
            raise ProviderNotFound("The provider is in the catalogue, but this service has no credentials for it.")
        raise ProviderNotFound

    async def check_can_seal(self) -> None:
        """Raises ServiceUnavailable when other processes could not open what is sealed here, and DatabaseDown. Nothing
        has been spent at this point, so another process may still complete the request."""
        try:
            await self.vault_keys.check_active()
        except VaultError as fault:
            log.error("vault.failed", fault=str(fault))  # noqa: TRY400 - the key ids are enough
            raise ServiceUnavailable from None


def _unlimited(_operations: int) -> None:
    """Nothing is counted."""


@dataclass(frozen=True, slots=True)
class Context:
    """One request. `caller` is None when it came without a token.

    `spend` counts operations of the caller beyond the first. It raises RateLimited.
    """

    resources: Resources
    caller: Caller | None
    request_id: str
    spend: Callable[[int], None] = _unlimited
