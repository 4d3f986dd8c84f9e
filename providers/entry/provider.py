"""An entry of the catalogue: a provider's endpoints, and how it deviates from the RFCs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Any, Final, Self
from uuid import UUID, uuid5

import msgspec

from providers.entry.about import (
    Category,
    Lifecycle,
    Registration,
    Site,
    Source,
    read_scope_texts,
    read_sites,
    read_sources,
)
from providers.entry.api_facts import Webhooks
from providers.entry.authorize import Authorize
from providers.entry.calls import Account, AfterExchange, Api, Granted
from providers.entry.reader import accepts
from providers.entry.revoke import Revoke
from providers.entry.token import Token
from providers.entry.urls import EntryContext, Page
from providers.entry.values import NO_PARAMS, EntryTable, form, text
from wire.tables import NOT_A_KEY, Invalid

NAMESPACE: Final = UUID("272d50bc-cdf4-47f7-ac3b-85bd3347f668")
"""Must never change: a provider's id is the UUIDv5 of its slug in this namespace."""


def provider_id(slug: str) -> UUID:
    """The same in every installation: the UUIDv5 of the slug in NAMESPACE."""
    return uuid5(NAMESPACE, slug)


def site_key(slug: str, site: str) -> str:
    """The name of a provider at one of its sites, such as `dexcom/eu`; without a site, its slug."""
    return f"{slug}/{site}" if site else slug


_NO_SITES: Final[Mapping[str, Any]] = MappingProxyType({})

read_form_of_slug: Final = form(
    r"[a-z0-9][a-z0-9_-]{0,62}",
    "1 to 63 lower-case letters, digits, `_` and `-`, and begin with a letter or digit",
)


# The variables of such an entry would be settings of Tendon, and an entry sends what its variables contain.
_OURS: Final = r"^tendon(?:[_-]|$)"


@accepts({**read_form_of_slug.schema, "not": {"pattern": _OURS}})
def _read_slug(value: object, context: EntryContext) -> str:
    slug = read_form_of_slug(value, context)
    if re.match(_OURS, slug):
        raise Invalid("must not begin with tendon, as the names of Tendon's settings do: choose another slug")
    if slug != context.slug:
        raise Invalid(
            f"must be the name of the file without .toml: rename the file to {slug}.toml, "
            f'or write slug = "{context.slug}"'
        )
    return slug


class ExplainedScope(msgspec.Struct, frozen=True):
    """A scope with its sentence for users, and whether users are asked for it."""

    scope: str
    description: str | None
    requested: bool


class Provider(EntryTable, frozen=True, kw_only=True, dict=True):
    """An entry as in its file, with the variables in its URLs replaced. `notes` has what is uncertain about it.

    A provider with `sites` has different URLs at each. `at_sites` has the whole entry for each of them, in which `site`
    is its id; it is empty in all others. With `open_sites`, the operator may name more, which are in `sites` as well;
    `site_variables` are those that each of them needs.
    """

    slug: Annotated[str, _read_slug]
    name: Annotated[str, text(100)]
    docs: Page
    notes: str | None = None
    category: Category = "other"
    registration: Registration = Registration()
    lifecycle: Lifecycle = Lifecycle()
    scopes: Annotated[Mapping[str, str], read_scope_texts] = NO_PARAMS
    authorize: Authorize
    token: Token
    account: Account | None = None
    granted: Granted | None = None
    after_exchange: AfterExchange | None = None
    api: Api | None = None
    webhooks: Webhooks | None = None
    revoke: Revoke | None = None
    open_sites: bool = False
    sites: Annotated[Mapping[str, Site], read_sites] = _NO_SITES
    sources: Annotated[tuple[Source, ...], read_sources] = ()
    site: Annotated[str, NOT_A_KEY] = ""
    site_variables: Annotated[tuple[str, ...], NOT_A_KEY] = ()
    at_sites: Annotated[Mapping[str, Self], NOT_A_KEY] = _NO_SITES

    @classmethod
    def conflicts(cls, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:  # noqa: ARG003
        token: Token | None = given.get("token")
        revoke: Revoke | None = given.get("revoke")
        if token is not None and revoke is not None and revoke.adapter is None:
            signs = token.auth == "private_key_jwt"
            if revoke.auth == "private_key_jwt" and not signs:
                yield "revoke", "can have auth = 'private_key_jwt' only if [token] has it, which names the algorithm"
            if signs and revoke.auth in ("client_secret_basic", "client_secret_post"):
                yield (
                    "revoke",
                    f"can't have auth = {revoke.auth!r}: by token.auth, there is no secret",
                )
        authorize: Authorize | None = given.get("authorize")
        if authorize is not None and given.get("scopes"):
            unexplained = [scope for scope in authorize.scopes if scope not in given["scopes"]]
            if unexplained:
                yield "scopes", f"must have a sentence for each requested scope, also for {', '.join(unexplained)}"

    @cached_property
    def id(self) -> UUID:
        return provider_id(self.slug)

    @cached_property
    def explained_scopes(self) -> tuple[ExplainedScope, ...]:
        """Those that are requested, then others that the entry has a sentence for."""
        requested = dict.fromkeys(self.authorize.scopes)
        return tuple(
            ExplainedScope(scope, self.scopes.get(scope), requested=scope in requested)
            for scope in {**requested, **self.scopes}
        )

    @cached_property
    def key(self) -> str:
        """The name under which everything is kept that each site has of its own, such as a circuit breaker."""
        return site_key(self.slug, self.site)

    @cached_property
    def has_sites(self) -> bool:
        """Whether users connect at a site, even if there is none yet."""
        return self.open_sites or bool(self.sites)

    @property
    def everywhere(self) -> tuple[Self, ...]:
        """The entry as it is, and at each of its sites."""
        return (self, *self.at_sites.values())

    def at(self, site: str) -> Self | None:
        """The entry at this site, None if it has no such site. Without a site, the entry as it is."""
        return self.at_sites.get(site) if site else self

    @cached_property
    def revocation_ends_other_tokens(self) -> bool:
        """Whether revoking the tokens of one connection may end those of another one on the same account, or those that
        the user gets by connecting again."""
        return self.revoke is not None and self.revoke.ends != "token"

    @cached_property
    def revocation_ends_only_its_tokens(self) -> bool:
        """Whether the tokens of one connection can be revoked without harm to any others."""
        return self.revoke is not None and self.revoke.ends == "token"
