"""The queries for providers, which need no bearer token: the catalogue's entries, and which are available."""

from __future__ import annotations

from enum import StrEnum

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


class UnavailableReason(StrEnum):
    """Why users can't connect to a provider."""

    NO_CREDENTIALS = "no_credentials"


def unavailable_because(context: Context, provider: Provider) -> UnavailableReason | None:
    """Why users can't connect to the provider, None if they can."""
    return None if provider.slug in context.resources.registrations else UnavailableReason.NO_CREDENTIALS
