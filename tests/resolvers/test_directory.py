"""The catalogue's entries, for anybody."""

from __future__ import annotations

import pytest

from resolvers.directory import find_provider, is_available, list_providers
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
        assert is_available(context, provider) == bool(registrations)
    with pytest.raises(ProviderNotFound, match="is not in the catalogue"):
        find_provider(any_world.context("alice"), "nobody")
