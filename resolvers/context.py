"""What a resolver gets: the resources that all requests share, and the caller and id of its own request."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, Literal

import structlog
from msgspec import Struct

from models.audit_event import AuditEntry, record
from models.audit_key import audit_key
from models.database import Database
from models.ended_request import RETENTION
from models.revocation import ShownRevocation
from models.token_row import TokenRow
from models.vault import Vault, VaultError
from models.vault_key import VaultKeys
from providers.authorization import site_of
from providers.catalogue import Catalogue, Credentials, Provider
from providers.entry.provider import site_key
from providers.provider_limit import ProviderLimits
from resolvers.background import Background, Exchanges
from resolvers.caller import Caller
from resolvers.clearing_progress import ClearingProgress
from resolvers.errors import InvalidState, Problem, ProviderNotFound, ServiceUnavailable
from resolvers.redirects import RedirectAllowList
from resolvers.repeats import Repeats
from resolvers.single_flight import SingleFlight
from resolvers.waiters import Waiters

# Half of the digest, the minimum of RFC 2104 (5): each row stores two of them, and an index one more.
_PSEUDONYM_BYTES: Final = 16
# Begins what is hashed for an account. This byte is in no UTF-8, so no user's id has the pseudonym of an account.
_ACCOUNT: Final = b"\xffaccount\n"
# The same for an id that a provider gets.
_AT_PROVIDER: Final = b"\xffat provider\n"

NO_CREDENTIALS: Final = "The provider is in the catalogue, but this service has no credentials for it."

log = structlog.get_logger("tendon")

if TYPE_CHECKING:
    from wire.http.client import Client


@dataclass(frozen=True, slots=True)
class Registration:
    """Our client at one provider, or at one site of a provider that has several (RFC 6749 2)."""

    provider: Provider
    credentials: Credentials
    key: str = field(init=False)
    """That of the provider."""
    fingerprint: str = field(init=False)
    """Changes with our client id and the endpoints: a state from before such a change can't be redeemed after."""

    def __post_init__(self) -> None:
        provider = self.provider
        parts = (self.credentials.client_id, provider.authorize.url, provider.token.url)
        if provider.site:
            parts = (*parts, provider.site)
        object.__setattr__(self, "key", provider.key)
        object.__setattr__(self, "fingerprint", hashlib.sha256("\n".join(parts).encode()).hexdigest())


class Pseudonyms:
    """The pseudonyms of users in the audit trail, those of users and accounts in revocations, and those that providers
    get: HMAC-SHA-256 of the id, so that a user can be forgotten without changing the trail. The key, which never
    changes, is cached for the life of the process."""

    def __init__(self, database: Database, keys: VaultKeys) -> None:
        self._database = database
        self._keys = keys
        self._key: bytes | None = None
        self._reading = SingleFlight[bytes]()

    async def of(self, user: str | None) -> str | None:
        """The user's pseudonym, None without a user. Raises DatabaseDown, and ServiceUnavailable when the vault can't
        open the key."""
        return None if user is None else await self._pseudonym(_encoded(user))

    def of_now(self, user: str) -> str | None:
        """The user's pseudonym, None if the key must be read before."""
        return None if self._key is None else _pseudonym(self._key, _encoded(user))

    async def of_account(self, provider: str, site: str, account: str | None) -> str | None:
        """The pseudonym of a provider's account, None without one. Raises as `of` does."""
        return None if account is None else await self._pseudonym(_ACCOUNT + _encoded(f"{provider}\n{site}\n{account}"))

    async def at_provider(self, provider: str, site: str, user: str, account: str | None) -> str:
        """An id of the user for the provider to see. It tells the provider nothing, and is used nowhere else, so that
        nothing leads from what the provider knows to the audit trail.

        It is that of the provider's account, if it is known: providers refuse an id that another account has, and a
        user may connect one account after another. Raises as `of` does.
        """
        whose = f"user\n{user}" if account is None else f"account\n{account}"
        return await self._pseudonym(_AT_PROVIDER + _encoded(f"{provider}\n{site}\n{whose}"))

    async def _pseudonym(self, name: bytes) -> str:
        return _pseudonym(self._key or await self._reading.join("key", self._read), name)

    async def _read(self) -> bytes:
        try:
            self._key = await audit_key(self._database, self._keys)
        except VaultError as fault:
            log.error("vault.failed", fault=str(fault))  # noqa: TRY400 - the key id is enough
            raise ServiceUnavailable from None
        return self._key


def _pseudonym(key: bytes, name: bytes) -> str:
    return hmac.digest(key, name, "sha256")[:_PSEUDONYM_BYTES].hex()


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


@dataclass(frozen=True, slots=True)
class Resources:
    """What the process holds for all requests. `provider_timeout` is seconds for one whole exchange, and an
    authorization request that has ended is remembered for `retention`. `account_policy` says whether two users may have
    connections to one account of a provider. `registrations` are by `Provider.key`."""

    catalogue: Catalogue
    registrations: Mapping[str, Registration]
    redirects: RedirectAllowList
    database: Database
    vault: Vault
    client: Client
    provider_timeout: float
    background: Background
    retention: timedelta = RETENTION
    account_policy: Literal["share", "reject"] = "share"
    clearing: ClearingProgress = field(default_factory=ClearingProgress)
    provider_limits: ProviderLimits = field(default_factory=ProviderLimits)
    exchanges: Exchanges = field(default_factory=Exchanges)
    refreshes: SingleFlight[TokenRow | Problem] = field(default_factory=SingleFlight[TokenRow | Problem])
    refresh_waiters: Waiters = field(default_factory=Waiters)
    unstored: set[str] = field(default_factory=set[str])
    """Connections for which this process has tokens that it could not store yet."""
    revocation_reads: SingleFlight[dict[str, ShownRevocation]] = field(
        default_factory=SingleFlight[dict[str, ShownRevocation]]
    )
    vault_keys: VaultKeys = field(init=False)
    pseudonyms: Pseudonyms = field(init=False)
    repeats: Repeats = field(init=False)

    def __post_init__(self) -> None:
        keys = VaultKeys(self.vault, self.database)
        object.__setattr__(self, "vault_keys", keys)
        object.__setattr__(self, "pseudonyms", Pseudonyms(self.database, keys))
        object.__setattr__(self, "repeats", Repeats(partial(record, self.database)))

    def entry(self, slug: str, site: str) -> Provider | None:
        """The catalogue's entry at the site, which is empty for a provider that has none."""
        found = self.catalogue.get(slug)
        return None if found is None else found.at(site)

    def registration(self, slug: str, site: str = "") -> Registration:
        """Our client at the provider, and at its site. Raises ProviderNotFound. Its message distinguishes an unknown
        slug from a catalogue entry without credentials, which `providers` publicly lists as unavailable."""
        found = self.registrations.get(site_key(slug, site) if site else slug)
        if found is not None:
            return found
        if self.entry(slug, site) is not None:
            raise ProviderNotFound(NO_CREDENTIALS)
        if slug in self.catalogue:
            raise ProviderNotFound("The provider is in the catalogue, but this site of it is not.")
        raise ProviderNotFound

    def connectable_sites(self, provider: Provider) -> Sequence[str]:
        """The ids of the sites that users can connect to: those that are offered, and that we have credentials for."""
        keys = {id_: site_key(provider.slug, id_) for id_, site in provider.sites.items() if site.offered}
        return [id_ for id_, key in keys.items() if key in self.registrations]

    def registration_of_state(self, slug: str, state: str) -> Registration:
        """Our client at the provider, and at the site that the state was made for. Raises ProviderNotFound, and
        InvalidState if there is no such site."""
        provider = self.catalogue.get(slug)
        if provider is None or not provider.has_sites:
            return self.registration(slug)
        site = site_of(provider, state)
        # One without a site is from before the provider had any, if it is ours at all.
        if site is None or (not site and slug not in self.registrations and self.connectable_sites(provider)):
            log.info("state.refused", provider=slug, reason="unknown")
            raise InvalidState
        return self.registration(slug, site)

    async def check_can_seal(self) -> None:
        """Raises ServiceUnavailable when other processes could not open what is sealed here, and DatabaseDown. Nothing
        has been spent at this point, so another process may still complete the request."""
        try:
            await self.vault_keys.check_active()
        except VaultError as fault:
            log.error("vault.failed", fault=str(fault))  # noqa: TRY400 - the key ids are enough
            raise ServiceUnavailable from None


# Users of one provider grant few different sets.
@lru_cache(maxsize=256)
def _as_json(scopes: tuple[str, ...]) -> str:
    return json.dumps(scopes)


def _unlimited(_operations: int) -> None:
    """Nothing is counted."""


class Context(Struct, frozen=True):
    """One request. `caller` is None when it came without a token.

    `spend` counts operations of the caller beyond the first. It raises RateLimited.
    """

    resources: Resources
    caller: Caller | None
    request_id: str
    spend: Callable[[int], None] = _unlimited

    async def audit_entry(
        self,
        action: str,
        *,
        subject: str | None,
        provider: str | None,
        outcome: str,
        connection_id: str | None = None,
        scopes: Sequence[str] = (),
    ) -> AuditEntry:
        """A row about the caller. `subject` is a user's id, `outcome` OK, REPLAYED or a code of the error table.

        Raises DatabaseDown, and ServiceUnavailable when there can be no pseudonyms.
        """
        caller, pseudonyms = self.caller, self.resources.pseudonyms
        user = caller.user if caller else None
        actor = None if user is None else pseudonyms.of_now(user) or await pseudonyms.of(user)
        return AuditEntry(
            actor=actor,
            user=user,
            client_id=caller.client_id if caller else None,
            subject=actor if subject == user else await pseudonyms.of(subject),
            action=action,
            provider=provider,
            outcome=outcome,
            request_id=self.request_id,
            connection_id=connection_id,
            scopes=_as_json(tuple(scopes)),
        )
