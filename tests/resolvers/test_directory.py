"""The catalogue's entries, for anybody."""

from __future__ import annotations

import pytest

from resolvers.directory import UnavailableReason, find_provider, list_providers, unavailable_because
from resolvers.errors import ProviderNotFound
from tests.resolvers.world import World


async def test_all_entries_in_the_order_of_the_catalogue(any_world: World) -> None:
    context = any_world.context("alice")
    assert [provider.slug for provider in list_providers(context)] == list(any_world.resources.catalogue)


async def test_an_entry_is_found_whether_it_is_available_or_not(any_world: World) -> None:
    for registrations in (any_world.resources.registrations, {}):
        context = any_world.context("alice", registrations=registrations)
        provider = find_provider(context, "acme")
        assert provider is any_world.resources.catalogue["acme"]
        reason = None if registrations else UnavailableReason.NO_CREDENTIALS
        assert unavailable_because(context, provider) == reason
    with pytest.raises(ProviderNotFound, match="is not in the catalogue"):
        find_provider(any_world.context("alice"), "nobody")
