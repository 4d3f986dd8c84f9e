"""Which problems are recorded, of whom, and what of a caller's text is stored."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from models.database import DatabaseDown
from resolvers import audit
from resolvers.caller import Caller
from resolvers.errors import PROBLEMS, Forbidden, InvalidToken, Problem
from tests.resolvers.failing_database import RECORD
from tests.resolvers.world import World

DENIED = {
    "ACCESS_DENIED",
    "ACCOUNT_TAKEN",
    "CONNECTION_NOT_FOUND",
    "FORBIDDEN",
    "INSUFFICIENT_SCOPE",
    "INVALID_GRANT",
    "INVALID_STATE",
    "INVALID_TOKEN",
    "PROVIDER_NOT_FOUND",
    "REAUTHORIZATION_REQUIRED",
    "SCOPES_MISSING",
    "VALIDATION_ERROR",
}
CONNECTION = "0190163d-8694-739b-aea5-966c26f8ad91"


def problem_of(code: str) -> Problem:
    kind = PROBLEMS[code]
    return kind("scope") if code == "INSUFFICIENT_SCOPE" else kind()


@pytest.mark.parametrize("code", PROBLEMS)
async def test_denials_are_recorded_and_no_other_problems(any_world: World, code: str) -> None:
    await audit.denied(any_world.context("alice"), audit.COMPLETE, problem_of(code), provider="acme")
    told = await any_world.events("action, outcome, provider")
    assert told == ([("complete", code, "acme")] if code in DENIED else [])


async def test_a_denial_says_whom_it_is_about(any_world: World) -> None:
    """The caller, unless it names another."""
    context = any_world.context("alice")
    await audit.denied(context, audit.READ, Forbidden(), subject="bob", connection_id=CONNECTION)
    await audit.denied(context, audit.READ, Forbidden())
    alice, bob = [await any_world.resources.pseudonyms.of(user) for user in ("alice", "bob")]
    told = await any_world.events("actor, subject, provider, connection_id, client_id, request_id")
    assert [(*row[:3], str(row[3] or ""), *row[4:]) for row in told] == [
        (alice, bob, None, CONNECTION, "app", context.request_id),
        (alice, alice, None, "", "app", context.request_id),
    ]


async def test_of_nobody_nothing_is_recorded(any_world: World) -> None:
    nobody = replace(any_world.context("alice"), caller=None)
    await audit.denied(nobody, audit.AUTHENTICATE, InvalidToken())
    assert await any_world.events() == []


async def test_a_client_without_a_user_is_recorded(any_world: World) -> None:
    client = replace(any_world.context("alice"), caller=Caller(None, "app", frozenset()))
    await audit.denied(client, audit.AUTHENTICATE, InvalidToken())
    assert await any_world.events("action, outcome, actor, subject, client_id") == [
        ("authenticate", "INVALID_TOKEN", None, None, "app")
    ]


@pytest.mark.parametrize(
    ("provider", "stored"), [("acme", "acme"), ("CANARY", "?"), ("x" * 100, "?"), ("", "?"), (None, None)]
)
async def test_a_slug_that_is_not_in_the_catalogue_is_not_stored(
    any_world: World, provider: str | None, stored: str | None
) -> None:
    await audit.denied(any_world.context("alice"), audit.AUTHORIZE, Forbidden(), provider=provider)
    assert await any_world.events("provider") == [(stored,)]


async def test_repeated_denials_are_counted(any_world: World) -> None:
    for _ in range(5):
        await audit.denied(any_world.context("alice"), audit.READ, Forbidden())
    assert await any_world.events("outcome, count") == [("FORBIDDEN", 1)]
    await any_world.resources.repeats.close()
    assert await any_world.events("outcome, count") == [("FORBIDDEN", 1), ("FORBIDDEN", 4)]


async def test_repeated_replays_are_counted(any_world: World) -> None:
    callback = await any_world.begin("alice")
    for _ in range(5):
        await any_world.complete("alice", callback)
    counted = [("ok", 1), ("ok", 1), ("replayed", 1)]
    assert await any_world.events("outcome, count") == counted
    await any_world.resources.repeats.close()
    assert await any_world.events("outcome, count") == [*counted, ("replayed", 3)]


async def test_a_success_is_recorded_each_time(any_world: World) -> None:
    context = any_world.context("alice")
    for _ in range(2):
        await audit.record(context, audit.READ, subject="bob", provider="acme", connection_id=CONNECTION)
    bob = await any_world.resources.pseudonyms.of("bob")
    told = await any_world.events("action, outcome, subject, provider, connection_id, count")
    assert [(*row[:4], str(row[4]), row[5]) for row in told] == [("read", "ok", bob, "acme", CONNECTION, 1)] * 2


async def test_a_denial_that_can_not_be_recorded_is_the_databases_problem(any_world: World) -> None:
    any_world.database.fail(RECORD)
    with pytest.raises(DatabaseDown):
        await audit.denied(any_world.context("alice"), audit.READ, Forbidden())
