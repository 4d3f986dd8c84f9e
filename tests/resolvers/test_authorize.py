"""Sending a user to a provider: the URL, the stored request, and what is refused before anything is stored."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from models.authorization_request import LIFETIME, state_hash
from models.database import DatabaseDown
from models.vault import Vault
from providers.authorization import challenge
from resolvers.authorize import authorize_connection
from resolvers.caller import READ, WRITE
from resolvers.context import Context
from resolvers.errors import Forbidden, InsufficientScope, Problem, Unauthenticated
from tests.conftest import REDIRECT_URI
from tests.resolvers.failing_database import ADD
from tests.resolvers.world import World, parameters

ABSOLUTE = "redirectUri must be an absolute URI without a fragment."
NOT_LISTED = "redirectUri is not on the allow-list of this service."


async def refused(world: World, provider: str, redirect_uri: str, context: Context | None = None) -> Problem:
    """The problem. Nothing is stored."""
    try:
        await authorize_connection(context or world.context("alice"), provider, redirect_uri)
    except Problem as problem:
        assert world.database.count(ADD) == 0
        return problem
    raise AssertionError("it was not refused")


async def test_the_url_says_what_the_provider_needs(any_world: World) -> None:
    authorization = await any_world.authorize("alice")
    assert authorization.url.startswith(f"{any_world.provider.server.origin}/authorize?")
    found = parameters(authorization.url)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", found.pop("code_challenge"))
    assert found == {
        "response_type": "code",
        "client_id": "client",
        "redirect_uri": REDIRECT_URI,
        "scope": "sleep offline",
        "state": authorization.state,
        "code_challenge_method": "S256",
    }


async def test_a_provider_that_refuses_a_challenge_gets_none(any_world: World) -> None:
    found = parameters((await any_world.authorize("alice", "without-pkce")).url)
    assert found.keys() == {"response_type", "client_id", "redirect_uri", "state"}


async def test_the_request_is_stored_with_all_that_it_is_bound_to(world: World) -> None:
    """Of the state only its hash, and of the verifier only its seal, which opens for this request alone."""
    authorization = await world.authorize("alice")
    columns = "state_hash, user_id, provider, redirect_uri, registration, status, scopes, verifier"
    ((*bound, scopes, verifier),) = await world.outside.fetch(f"SELECT {columns} FROM authorization_request")
    registration = world.resources.registration("acme").fingerprint
    assert bound == [state_hash(authorization.state), "alice", "acme", REDIRECT_URI, registration, "pending"]
    assert json.loads(scopes) == ["sleep", "offline"]
    row = (state_hash(authorization.state), "alice", "acme", REDIRECT_URI)
    field: Any = {"table": "authorization_request", "row": row, "column": "verifier"}
    opened = world.resources.vault.open(bytes(verifier), **field)
    assert challenge(opened) == parameters(authorization.url)["code_challenge"]
    ((created_at, expires_at),) = await world.outside.fetch("SELECT created_at, expires_at FROM authorization_request")
    lived = timedelta(0) if isinstance(created_at, str) else expires_at - created_at
    assert lived in (timedelta(0), LIFETIME)


async def test_it_is_recorded(world: World) -> None:
    context = world.context("alice")
    await authorize_connection(context, "acme", REDIRECT_URI)
    name = await world.resources.pseudonyms.of("alice")
    columns = "action, outcome, provider, actor, subject, client_id, request_id, scopes, connection_id"
    (told,) = await world.events(columns)
    scopes = json.dumps(["sleep", "offline"])
    assert told == ("authorize", "ok", "acme", name, name, "app", context.request_id, scopes, None)
    assert await world.outside.fetch("SELECT pseudonym, user_id FROM audit_subject") == [(name, "alice")]


@pytest.mark.parametrize(
    ("provider", "redirect_uri", "code", "message"),
    [
        ("", REDIRECT_URI, "VALIDATION_ERROR", "provider must not be empty."),
        ("x" * 64, REDIRECT_URI, "VALIDATION_ERROR", "provider must have at most 63 characters."),
        ("acme", "", "VALIDATION_ERROR", "redirectUri must not be empty."),
        ("acme", "/callback", "VALIDATION_ERROR", ABSOLUTE),
        ("acme", "https://app.example/a b", "VALIDATION_ERROR", ABSOLUTE),
        ("acme", f"{REDIRECT_URI}#", "VALIDATION_ERROR", ABSOLUTE),
        ("acme", f"{REDIRECT_URI}/", "VALIDATION_ERROR", NOT_LISTED),
        ("nobody", REDIRECT_URI, "PROVIDER_NOT_FOUND", "The provider is not in the catalogue of this service."),
        ("nobody", "/callback", "VALIDATION_ERROR", ABSOLUTE),
    ],
)
async def test_what_is_refused(any_world: World, provider: str, redirect_uri: str, code: str, message: str) -> None:
    problem = await refused(any_world, provider, redirect_uri)
    assert (problem.code, problem.message) == (code, message)
    told = await any_world.events("action, outcome, provider")
    assert told == [("authorize", code, "acme" if provider == "acme" else "?")]
    assert [line["provider"] for line in any_world.said("redirect.refused")] == (
        [provider] if message == NOT_LISTED else []
    )


@pytest.mark.parametrize("who", ["nobody", "a service", "a reader"])
async def test_who_may_not_authorize(any_world: World, who: str) -> None:
    context, expected = {
        "nobody": (replace(any_world.context("alice"), caller=None), Unauthenticated),
        "a service": (any_world.context(None, scopes=frozenset({READ, WRITE})), Forbidden),
        "a reader": (any_world.context("alice", scopes=frozenset({READ})), InsufficientScope),
    }[who]
    problem = await refused(any_world, "acme", REDIRECT_URI, context)
    assert type(problem) is expected
    told = await any_world.events("action, outcome, provider")
    assert told == ([] if who == "nobody" else [("authorize", expected.code, "acme")])


async def test_a_process_that_can_not_seal_stores_nothing(any_world: World) -> None:
    await any_world.connect("bob")
    ran = any_world.database.count(ADD)
    wrong = any_world.context("alice", vault=Vault({"key": bytes(range(1, 33))}))
    with pytest.raises(Problem) as raised:
        await authorize_connection(wrong, "acme", REDIRECT_URI)
    assert (raised.value.code, any_world.database.count(ADD)) == ("SERVICE_UNAVAILABLE", ran)


async def test_a_database_that_is_away_gives_no_url(any_world: World) -> None:
    """The state would be unknown later."""
    any_world.database.fail(ADD)
    with pytest.raises(DatabaseDown):
        await any_world.authorize("alice")
