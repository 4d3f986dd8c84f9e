"""The queries for providers, which need no bearer token: the catalogue's entries, and which are available."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from providers.catalogue import Provider
from providers.entry.about import Site
from resolvers.context import Context
from resolvers.errors import ProviderNotFound


def list_providers(context: Context) -> list[Provider]:
    """All entries of the catalogue, in the order of their slugs."""
    return list(context.resources.catalogue.values())


def find_provider(context: Context, slug: str) -> Provider:
    """The catalogue's entry, available or not. Raises ProviderNotFound."""
    found = context.resources.catalogue.get(slug)
    if found is None:
        raise ProviderNotFound
    return found


class UnavailableReason(StrEnum):
    """Why users can't connect to a provider."""

    NO_CREDENTIALS = "no_credentials"
    NO_SITES = "no_sites"


def unavailable_because(context: Context, provider: Provider) -> UnavailableReason | None:
    """Why users can't connect to the provider, None if they can."""
    resources = context.resources
    if not provider.has_sites:
        return None if provider.slug in resources.registrations else UnavailableReason.NO_CREDENTIALS
    if resources.connectable_sites(provider):
        return None
    is_offered = any(site.offered for site in provider.sites.values())
    return UnavailableReason.NO_CREDENTIALS if is_offered else UnavailableReason.NO_SITES


def sites_of(context: Context, provider: Provider) -> Mapping[str, Site]:
    """The sites that users can choose from, by id. If the provider is not available, those that would be offered."""
    ids = set(context.resources.connectable_sites(provider))
    return {id_: site for id_, site in provider.sites.items() if (id_ in ids if ids else site.offered)}
