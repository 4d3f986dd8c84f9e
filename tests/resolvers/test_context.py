"""What a resolver gets: registrations at providers, keys that may seal, and rows about its caller."""

from __future__ import annotations

import hashlib

import pytest
from msgspec.structs import replace

from models.database import DatabaseDown
from models.vault import Vault
from providers.catalogue import Credentials
from resolvers.caller import Caller
from resolvers.context import Context, Registration
from resolvers.errors import ProviderNotFound, ServiceUnavailable
from tests.resolvers.world import BOTH, World

UNREGISTERED = "The provider is in the catalogue, but this service has no credentials for it."
UNKNOWN = "The provider is not in the catalogue of this service."
KEYS = "FROM vault_key"


# Registrations


@pytest.mark.parametrize(("slug", "message"), [("acme", UNREGISTERED), ("nobody", UNKNOWN)])
async def test_a_provider_without_credentials_is_told_from_an_unknown_one(
    any_world: World, slug: str, message: str
) -> None:
    resources = any_world.context("alice", registrations={}).resources
    with pytest.raises(ProviderNotFound) as raised:
        resources.registration(slug)
    assert raised.value.message == message


async def test_a_registration_is_that_of_its_provider(any_world: World) -> None:
    for slug in ("acme", "other"):
        assert any_world.resources.registration(slug).provider.slug == slug


async def test_a_registration_is_another_after_the_client_or_an_endpoint_changed(any_world: World) -> None:
    """A state from before must not be redeemed after. The secret and the scopes may change."""
    registration = any_world.resources.registration("acme")
    provider, credentials = registration.provider, registration.credentials
    token = replace(provider.token, url=f"{provider.token.url}2")
    authorize = replace(provider.authorize, url=f"{provider.authorize.url}2")
    others = [
        Registration(provider, Credentials("another", "secret")),
        Registration(replace(provider, token=token), credentials),
        Registration(replace(provider, authorize=authorize), credentials),
    ]
    assert len({one.fingerprint for one in (registration, *others)}) == 4
    scopes = replace(provider.authorize, scopes=())
    same = Registration(replace(provider, authorize=scopes), Credentials("client", "new"))
    assert same.fingerprint == registration.fingerprint
    callback = await any_world.begin("alice")
    for one in others:
        context = any_world.context("alice", registrations={"acme": one})
        assert (await any_world.problem("alice", callback, context)).code == "INVALID_STATE"
    assert any_world.provider.asked() == []
    assert await any_world.code("alice", callback) is None


async def test_a_registration_without_a_site_has_the_fingerprint_of_earlier_versions(any_world: World) -> None:
    """Requests that are under way survive an update."""
    registration = any_world.resources.registration("acme")
    provider = registration.provider
    parts = (registration.credentials.client_id, provider.authorize.url, provider.token.url)
    assert registration.fingerprint == hashlib.sha256("\n".join(parts).encode()).hexdigest()


# Keys


async def test_a_process_with_a_wrong_key_seals_nothing(any_world: World) -> None:
    await any_world.begin("alice")
    wrong = any_world.context("alice", vault=Vault({"key": bytes(range(1, 33))})).resources
    with pytest.raises(ServiceUnavailable):
        await wrong.check_can_seal()
    (line,) = any_world.said("vault.failed")
    assert "(key)" in line["fault"]
    await any_world.resources.check_can_seal()


async def test_a_process_with_the_right_key_asks_once(any_world: World) -> None:
    for _ in range(3):
        await any_world.resources.check_can_seal()
    assert any_world.database.count(KEYS) == 1


async def test_whether_it_may_seal_is_the_databases_to_say(any_world: World) -> None:
    any_world.database.away = True
    with pytest.raises(DatabaseDown):
        await any_world.resources.check_can_seal()


async def test_the_log_says_why_there_can_be_no_pseudonyms(any_world: World) -> None:
    await any_world.begin("alice")
    wrong = any_world.context("alice", vault=Vault({"key": bytes(range(1, 33))})).resources
    with pytest.raises(ServiceUnavailable):
        await wrong.pseudonyms.of("alice")
    assert len(any_world.said("vault.failed")) == 1


async def test_the_key_of_the_pseudonyms_is_read_once(any_world: World) -> None:
    pseudonyms = any_world.resources.pseudonyms
    assert await pseudonyms.of(None) is None
    assert any_world.database.count("audit_key") == 0
    name = await pseudonyms.of("alice")
    reads = any_world.database.count("audit_key")
    assert len(name or "") == 32
    assert await pseudonyms.of("alice") == name
    assert await pseudonyms.of("bob") != name
    assert any_world.database.count("audit_key") == reads


# Rows about the caller


async def test_a_row_about_a_users_own_action(any_world: World) -> None:
    context = any_world.context("alice")
    entry = await context.audit_entry("complete", subject="alice", provider="acme", outcome="ok", scopes=["a", "b"])
    name = await any_world.resources.pseudonyms.of("alice")
    assert (entry.actor, entry.user, entry.subject, entry.client_id) == (name, "alice", name, "app")
    assert (entry.action, entry.provider, entry.outcome) == ("complete", "acme", "ok")
    assert (entry.request_id, entry.connection_id, entry.scopes) == (context.request_id, None, '["a", "b"]')


async def test_a_row_about_another(any_world: World) -> None:
    context = any_world.context("bob")
    entry = await context.audit_entry("read", subject="alice", provider=None, outcome="ok", connection_id="id")
    names = [await any_world.resources.pseudonyms.of(user) for user in ("bob", "alice")]
    assert (entry.actor, entry.user, entry.subject) == (names[0], "bob", names[1])
    assert (entry.connection_id, entry.scopes) == ("id", "[]")


async def test_a_row_about_a_service_has_no_actor(any_world: World) -> None:
    service = any_world.context(None)
    entry = await service.audit_entry("read", subject="alice", provider=None, outcome="ok")
    assert (entry.actor, entry.user, entry.client_id) == (None, None, "app")
    assert entry.subject == await any_world.resources.pseudonyms.of("alice")
    assert (await service.audit_entry("read", subject=None, provider=None, outcome="ok")).subject is None


async def test_a_row_about_nobody_has_neither_actor_nor_client(any_world: World) -> None:
    nobody = replace(any_world.context("bob"), caller=None)
    entry = await nobody.audit_entry("complete", subject="alice", provider="acme", outcome="ok")
    assert (entry.actor, entry.user, entry.client_id) == (None, None, None)
    assert entry.subject == await any_world.resources.pseudonyms.of("alice")


async def test_operations_are_unlimited_unless_the_gateway_counts_them(any_world: World) -> None:
    Context(any_world.resources, Caller("alice", "app", BOTH), "test").spend(10**6)
    spent: list[int] = []
    replace(any_world.context("alice"), spend=spent.append).spend(3)
    assert spent == [3]
