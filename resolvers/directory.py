"""The queries for providers, which need no bearer token: the catalogue's entries, and which are available."""

from __future__ import annotations

from providers.catalogue import Provider
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


def is_available(context: Context, provider: Provider) -> bool:
    """Whether users can connect to the provider: Tendon has credentials for it."""
    return provider.slug in context.resources.registrations
