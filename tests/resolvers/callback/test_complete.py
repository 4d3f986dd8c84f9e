"""What is checked before a callback spends anything, how long its caller waits, and what an unexpected fault leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from models.database import DatabaseDown
from models.vault import Vault
from providers.catalogue import Credentials, read_entry
from resolvers import inputs
from resolvers.authorize import authorize_connection
from resolvers.callback.claims import Callback
from resolvers.callback.complete import complete_connection
from resolvers.caller import READ, WRITE
from resolvers.context import Registration
from resolvers.errors import Forbidden, InsufficientScope, Problem, Unauthenticated
from tests.conftest import REDIRECT_URI
from tests.loop_clock import happened
from tests.resolvers.failing_database import CLAIM, END, FIND, STORE
from tests.resolvers.world import LEASE, World
from wire import uri

ABSOLUTE = "redirectUri must be an absolute URI without a fragment."
ISSUER = "iss must be the issuer that this provider sends."
LONGEST = {
    "provider": inputs.SLUG,
    "code": inputs.CODE,
    "state": inputs.STATE,
    "redirect_uri": uri.MAX_LENGTH,
    "iss": inputs.ISSUER,
    "scope": inputs.SCOPE,
    "error": inputs.ERROR,
}
NAMES = {"redirect_uri": "redirectUri"}
REGIONAL = """
slug = "regional"
name = "Regional"
docs = "https://regional.example/docs"
[variables]
host = "us.regional.example"
[authorize]
url = "https://{host}/authorize"
denied = "state_only"
[token]
url = "https://{host}/token"
[sites.us]
name = "United States"
variables = { host = "us.regional.example" }
[sites.eu]
name = "Europe"
variables = { host = "eu.regional.example" }
"""


async def refused(world: World, callback: Callback) -> Problem:
    """The problem of a callback that spends nothing: the state works later."""
    problem = await world.problem("alice", callback)
    assert world.database.count(CLAIM) == world.database.count(FIND) == 0
    assert world.provider.asked() == []
    return problem


# The checks


def test_the_lengths_are_those_of_the_documents() -> None:
    assert LONGEST == {
        "provider": 63,
        "code": 8192,
        "state": 512,
        "redirect_uri": 2048,
        "iss": 2048,
        "scope": 4096,
        "error": 256,
    }


@pytest.mark.parametrize("member", LONGEST)
async def test_a_member_that_is_too_long(any_world: World, member: str) -> None:
    callback = await any_world.begin("alice")
    too_long = "https://a.example/".ljust(LONGEST[member] + 1, "x")
    problem = await refused(any_world, replace(callback, **{member: too_long}))
    name = NAMES.get(member, member)
    assert (problem.code, problem.message) == (
        "VALIDATION_ERROR",
        f"{name} must have at most {LONGEST[member]} characters.",
    )
    assert await any_world.code("alice", callback) is None


@pytest.mark.parametrize("member", LONGEST)
async def test_a_member_that_is_just_not_too_long(any_world: World, member: str) -> None:
    callback = await any_world.begin("alice")
    longest = "https://a.example/".ljust(LONGEST[member], "x")
    problem_code = await any_world.code("alice", replace(callback, **{member: longest}))
    expected = {"provider": "PROVIDER_NOT_FOUND", "error": "ACCESS_DENIED"}
    of_its_own = {"state": "INVALID_STATE", "redirect_uri": "INVALID_STATE"}
    assert problem_code == (expected | of_its_own).get(member)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"provider": ""}, "provider must not be empty."),
        ({"code": ""}, "code must not be empty."),
        ({"code": " ", "error": ""}, "code must not be empty."),
        ({"state": " "}, "state must not be empty."),
        ({"redirect_uri": ""}, "redirectUri must not be empty."),
        ({"redirect_uri": "/cb"}, ABSOLUTE),
        ({"redirect_uri": "https://app.example/oauth/callback#"}, ABSOLUTE),
        ({"redirect_uri": "https://a b/"}, ABSOLUTE),
        ({"code": "a\0"}, "code must not hold control characters."),
        ({"state": "a\n"}, "state must not hold control characters."),
        ({"provider": "a\x7f"}, "provider must not hold control characters."),
        ({"iss": "a\ud800"}, "iss must not hold control characters."),
        ({"scope": "a\r"}, "scope must not hold control characters."),
        ({"error": "a\t"}, "error must not hold control characters."),
        ({"error": " "}, "error must not be empty."),
        ({"error": "access_denied", "code": "a\0"}, "code must not hold control characters."),
        ({"error": "access_denied", "code": "x" * 8193}, "code must have at most 8192 characters."),
    ],
)
async def test_a_malformed_member(any_world: World, changes: dict[str, Any], message: str) -> None:
    callback = await any_world.begin("alice")
    problem = await refused(any_world, replace(callback, **changes))
    assert (problem.code, problem.message) == ("VALIDATION_ERROR", message)
    told = (await any_world.events("action, outcome, provider"))[-1]
    assert told == ("complete", "VALIDATION_ERROR", "?" if "provider" in changes else "acme")


async def test_with_an_error_the_code_may_be_empty(any_world: World) -> None:
    callback = replace(await any_world.begin("alice"), code="", error="access_denied")
    assert await any_world.code("alice", callback) == "ACCESS_DENIED"


async def test_the_state_alone_is_a_refusal_where_the_entry_says_so(world: World) -> None:
    """It is claimed and bound as an error is: it ends this user's request, once, and no code can follow."""
    callback = replace(await world.begin("alice", "state-only"), code="")
    assert await world.code("bob", callback) == "INVALID_STATE"
    assert await world.status("alice") == ["pending"]
    for _ in range(2):
        assert await world.code("alice", callback) == "ACCESS_DENIED"
    assert await world.code("alice", replace(callback, error="access_denied")) == "ACCESS_DENIED"
    for different in ({"code": "late"}, {"error": "server_error"}):
        assert await world.code("alice", replace(callback, **different)) == "INVALID_STATE"
    assert await world.status("alice") == ["failed"]
    assert world.provider.asked() == []
    (line,) = world.said("authorization.refused")
    assert (line["provider"], line["error"]) == ("state-only", "access_denied")
    assert ("complete", "ACCESS_DENIED") in await world.events()


async def test_without_credentials_for_such_a_provider_it_is_not_found(any_world: World) -> None:
    callback = replace(await any_world.begin("alice", "state-only"), code="")
    problem = await any_world.problem("alice", callback, any_world.context("alice", registrations={}))
    assert problem.code == "PROVIDER_NOT_FOUND"


async def test_at_each_site_of_such_a_provider(any_world: World, tmp_path: Path) -> None:
    (tmp_path / "regional.toml").write_text(REGIONAL, encoding="utf-8")
    entry = read_entry(tmp_path / "regional.toml", variables={})
    there = entry.at("eu")
    assert there is not None
    registrations = {there.key: Registration(there, Credentials("client", "secret"))}
    context = any_world.context("alice", catalogue={"regional": entry}, registrations=registrations)
    authorization = await authorize_connection(context, "regional", REDIRECT_URI, "eu")
    callback = Callback("regional", "", authorization.state, REDIRECT_URI)
    assert (await any_world.problem("alice", callback, context)).code == "ACCESS_DENIED"


async def test_a_code_of_such_a_provider_is_exchanged(any_world: World) -> None:
    callback = await any_world.begin("alice", "state-only")
    assert await any_world.code("alice", callback) is None
    assert await any_world.code("alice", replace(callback, code="")) == "INVALID_STATE"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"code": "  "}, "code must not be empty."),
        ({"code": "", "state": ""}, "state must not be empty."),
        ({"code": "", "error": " "}, "error must not be empty."),
        ({"code": "", "provider": "acme"}, "code must not be empty."),
    ],
)
async def test_what_is_malformed_even_where_the_state_alone_is_enough(
    any_world: World, changes: dict[str, Any], message: str
) -> None:
    callback = await any_world.begin("alice", "state-only")
    problem = await refused(any_world, replace(callback, **changes))
    assert (problem.code, problem.message) == ("VALIDATION_ERROR", message)
    assert await any_world.status("alice") == ["pending"]


async def test_the_state_alone_of_a_provider_that_there_is_not(any_world: World) -> None:
    """The OpenAPI document allows it: which providers redirect like this is not in it."""
    callback = await any_world.begin("alice", "state-only")
    assert (await refused(any_world, replace(callback, code="", provider="nobody"))).code == "PROVIDER_NOT_FOUND"


@pytest.mark.parametrize("iss", [None, "", "http://127.0.0.1", "right/", "RIGHT"])
async def test_another_issuer_than_the_providers(any_world: World, iss: str | None) -> None:
    """By exact comparison, before the state is looked at."""
    right = any_world.provider.server.origin
    callback = await any_world.begin("alice", "issuing")
    wrong = {"right/": f"{right}/", "RIGHT": right.replace("http", "HTTP")}.get(iss or "", iss)
    problem = await refused(any_world, replace(callback, iss=wrong))
    assert (problem.code, problem.message) == ("VALIDATION_ERROR", ISSUER)
    (line,) = any_world.said("issuer.refused")
    assert (line["provider"], line["given"]) == ("issuing", iss is not None)
    assert await any_world.code("alice", replace(callback, iss=right)) is None


async def test_an_issuer_that_the_catalogue_does_not_know_is_not_compared(any_world: World) -> None:
    assert await any_world.code("alice", replace(await any_world.begin("alice"), iss="whatever")) is None


async def test_a_provider_that_is_not_there(any_world: World) -> None:
    callback = await any_world.begin("alice")
    assert (await refused(any_world, replace(callback, provider="nobody"))).code == "PROVIDER_NOT_FOUND"
    assert (await any_world.events("outcome, provider"))[-1] == ("PROVIDER_NOT_FOUND", "?")


@pytest.mark.parametrize("who", ["nobody", "a service", "a reader"])
async def test_who_may_not_complete_a_callback(any_world: World, who: str) -> None:
    callback = await any_world.begin("alice")
    own = any_world.context("alice")
    context, expected = {
        "nobody": (replace(own, caller=None), Unauthenticated),
        "a service": (any_world.context(None, scopes=frozenset({READ, WRITE})), Forbidden),
        "a reader": (any_world.context("alice", scopes=frozenset({READ})), InsufficientScope),
    }[who]
    with pytest.raises(expected):
        await complete_connection(context, callback)
    assert any_world.database.count(CLAIM) == any_world.database.count(FIND) == 0
    told = [row for row in await any_world.events("action, outcome, provider") if row[0] == "complete"]
    assert told == ([] if who == "nobody" else [("complete", expected.code, "acme")])


async def test_a_process_that_can_not_seal_claims_nothing(any_world: World) -> None:
    """Another one may complete it."""
    callback = await any_world.begin("alice")
    wrong = any_world.context("alice", vault=Vault({"key": bytes(range(1, 33))}))
    problem = await any_world.problem("alice", callback, wrong)
    assert (problem.code, problem.retry_after) == ("SERVICE_UNAVAILABLE", 1)
    assert any_world.database.count(CLAIM) == 0
    assert any_world.provider.asked() == []
    assert await any_world.code("alice", callback) is None


# What the caller gets


async def test_the_log_names_the_connection(any_world: World) -> None:
    connection = await any_world.connect("alice")
    assert [(line["provider"], line["connection_id"]) for line in any_world.said("connection.completed")] == [
        ("acme", connection.id)
    ]
    assert (connection.user_id, connection.provider, connection.status) == ("alice", "acme", "connected")


async def test_a_caller_waits_for_the_lease_and_two_seconds_at_most(any_world: World) -> None:
    """The work goes on, and the same callback gets its result."""
    callback = await any_world.begin("alice")
    answer = asyncio.Event()
    with any_world.clock() as clock:
        any_world.database.delay(CLAIM, answer.wait)
        waiting = asyncio.create_task(any_world.problem("alice", callback))
        await happened(lambda: any_world.database.count(CLAIM))
        await clock.advance(LEASE + 1.9)
        assert not waiting.done()
        await clock.advance(0.2)
        assert waiting.done()
        problem = await waiting
        assert (problem.code, problem.retry_after) == ("SERVICE_UNAVAILABLE", 1)
        assert problem.message == "This takes longer than usual. Send the same callback again."
        assert [line["provider"] for line in any_world.said("callback.slow")] == ["acme"]
        answer.set()
        await any_world.drained()
        assert await any_world.code("alice", callback) is None


async def test_a_caller_who_leaves_cancels_nothing(any_world: World) -> None:
    callback = await any_world.begin("alice")
    any_world.provider.leave.clear()
    leaving = asyncio.create_task(any_world.complete("alice", callback))
    await happened(any_world.provider.asked)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    any_world.provider.leave.set()
    await any_world.drained()
    assert await any_world.status("alice") == ["completed"]


# After an unexpected fault


async def test_an_unexpected_fault_ends_the_request(any_world: World) -> None:
    """The code may be spent, and others should not wait for the end of the lease."""
    callback = await any_world.begin("alice")
    any_world.database.fail(STORE, error=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await any_world.complete("alice", callback)
    assert await any_world.status("alice") == ["failed"]
    assert await any_world.code("alice", callback) == "INTERNAL_ERROR"
    assert ("complete", "INTERNAL_ERROR") in await any_world.events()
    assert len(any_world.provider.asked()) == 1


@pytest.mark.parametrize("how", ["the database is away", "the lease is lost"])
async def test_an_unexpected_fault_stays_what_it_is(any_world: World, how: str) -> None:
    """Whatever happens when the request is to be ended."""
    callback = await any_world.begin("alice")
    any_world.database.fail(STORE, error=ZeroDivisionError())
    if how == "the database is away":
        any_world.database.fail(END)
    else:
        any_world.database.miss(END)
    with pytest.raises(ZeroDivisionError):
        await any_world.complete("alice", callback)


async def test_who_waits_for_an_exchange_that_fails_unexpectedly_learns_it_at_once(any_world: World) -> None:
    callback = await any_world.begin("alice")
    any_world.provider.leave.clear()
    with any_world.clock():
        first = asyncio.create_task(any_world.complete("alice", callback))
        await happened(any_world.provider.asked)
        other = asyncio.create_task(any_world.code("alice", callback))
        await happened(lambda: any_world.waiting(callback))
        any_world.database.fail(STORE, error=ZeroDivisionError())
        any_world.provider.leave.set()
        with pytest.raises(ZeroDivisionError):
            await first
        await happened(other.done)
        assert await other == "INTERNAL_ERROR"


async def test_an_outage_is_no_unexpected_fault(any_world: World) -> None:
    """The request is not ended by it."""
    callback = await any_world.begin("alice")
    any_world.database.fail(CLAIM)
    with pytest.raises(DatabaseDown):
        await any_world.complete("alice", callback)
    assert any_world.database.count(END) == 0
    assert await any_world.code("alice", callback) is None
