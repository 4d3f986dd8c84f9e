"""Which token a service gets, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.database import DatabaseDown
from models.vault import Vault
from resolvers.errors import InsufficientScope, Problem
from resolvers.tokens.issue import issue_access_token
from tests.resolvers.failing_database import RECORD
from tests.resolvers.tokens.services import FIND, columns, expired, issue, pass_time, problem, row_of, service
from tests.resolvers.world import World

UNKNOWN = "01930000-0000-7000-8000-000000000000"


async def test_what_a_service_gets(world: World) -> None:
    connection = await world.connect("alice", "ahead")
    token = await issue(world, connection)
    assert (token.access_token, token.token_type) == (world.provider.last[0], "Bearer")
    assert token.expires_at == (await row_of(world, connection)).expires_at
    assert token.api_base == f"{world.provider.server.origin}/api"
    assert token.access_token not in repr(token)
    assert world.provider.refreshes() == []
    assert (await world.events("action, outcome, client_id"))[-1] == ("issue_token", "ok", "app")


async def test_a_service_gets_the_header_fields_that_the_api_requires(world: World) -> None:
    token = await issue(world, await world.connect("alice", "subscribed"))
    assert [(each.name, each.value) for each in token.api_headers] == [
        ("X-Key", "CANARY-key"),
        ("X-Client", "client/1"),
    ]
    assert "CANARY" not in repr(token) + repr(token.api_headers)
    others = await issue(world, await world.connect("alice", "ahead"))
    assert others.api_headers == []


async def test_without_credentials_for_the_header_fields_no_token_is_issued(any_world: World) -> None:
    connection = await any_world.connect("alice", "subscribed")
    gone = service(any_world, registrations={})
    refused = await problem(issue(any_world, connection, context=gone))
    assert refused.code == "PROVIDER_NOT_FOUND"
    assert (await any_world.events("action, outcome"))[-1] == ("issue_token", "PROVIDER_NOT_FOUND")
    assert (await issue(any_world, connection)).api_headers


async def test_nothing_is_issued_that_is_not_recorded(any_world: World) -> None:
    connection = await any_world.connect("alice")
    any_world.database.fail(RECORD)
    with pytest.raises(DatabaseDown):
        await issue(any_world, connection)


async def test_users_get_no_tokens(any_world: World) -> None:
    connection = await any_world.connect("alice")
    with pytest.raises(InsufficientScope):
        await issue(any_world, connection, context=any_world.context("mallory"))
    (*_, (action, outcome, recorded, subject, actor)) = await any_world.events(
        "action, outcome, connection_id, subject, actor"
    )
    assert (action, outcome, str(recorded)) == ("issue_token", "INSUFFICIENT_SCOPE", connection.id)
    # Whose connection it is was not looked up.
    assert subject == actor


@pytest.mark.parametrize("connection_id", [UNKNOWN, "nonsense", ""])
async def test_an_unknown_connection(any_world: World, connection_id: str) -> None:
    refused = await problem(issue_access_token(service(any_world), connection_id))
    assert refused.code == "CONNECTION_NOT_FOUND"
    (*_, (_, recorded)) = await any_world.events("action, connection_id")
    # An id that is none may be any text.
    assert recorded is None if connection_id != UNKNOWN else str(recorded) == UNKNOWN


@pytest.mark.parametrize(
    ("column", "code"),
    [
        ("status = 'pending', status_reason = 'account_unknown'", "SERVICE_UNAVAILABLE"),
        ("status = 'disconnected', status_reason = 'by_user'", "REAUTHORIZATION_REQUIRED"),
        ("status = 'error', status_reason = 'reauthorization_required'", "REAUTHORIZATION_REQUIRED"),
        ("status = 'error', status_reason = NULL", "REAUTHORIZATION_REQUIRED"),
        ("status = 'error', status_reason = 'provider_failing'", None),
        ("status_reason = 'scopes_missing'", None),
        # The previous version leaves the reason when it stores a grant.
        ("status_reason = 'reauthorization_required'", None),
        ("provider = 'gone'", "PROVIDER_NOT_FOUND"),
        ("granted_scopes = '[]'", "SCOPES_MISSING"),
    ],
)
async def test_the_state_of_a_connection(any_world: World, column: str, code: str | None) -> None:
    connection = await any_world.connect("alice")
    await any_world.outside.fetch(f"UPDATE connection SET {column}")
    refused: Problem | None = None
    try:
        await issue(any_world, connection, scopes=["sleep"])
    except Problem as found:
        refused = found
    assert (refused.code if refused else None) == code
    if code != "SERVICE_UNAVAILABLE":
        # Only what is temporary is not recorded.
        assert (await any_world.events())[-1] == ("issue_token", code or "ok")
    assert any_world.provider.refreshes() == []


async def test_an_interruption_is_told_apart_from_an_end_by_the_provider(any_world: World) -> None:
    connection = await any_world.connect("alice")
    over = "UPDATE connection SET status = 'error', status_reason = 'reauthorization_required', unsure = {}"
    await any_world.outside.fetch(over.format(0))
    ended = await problem(issue(any_world, connection))
    await any_world.outside.fetch(over.format(1))
    interrupted = await problem(issue(any_world, connection))
    assert ended.code == interrupted.code
    assert "interrupted" in str(interrupted)
    assert "interrupted" not in str(ended)


@pytest.mark.parametrize("asked", [{"scopes": ["a"] * 101}, {"scopes": [" "]}, {"rejected_token": ""}])
async def test_inputs_are_checked(any_world: World, asked: dict[str, Any]) -> None:
    connection = await any_world.connect("alice")
    assert (await problem(issue(any_world, connection, **asked))).code == "VALIDATION_ERROR"


@pytest.mark.parametrize("rejected", ["another", "é", "\U0001f600"])
async def test_another_rejected_token_changes_nothing(any_world: World, rejected: str) -> None:
    connection = await any_world.connect("alice")
    assert (await issue(any_world, connection, rejected_token=rejected)).access_token == any_world.provider.last[0]
    assert any_world.provider.refreshes() == []


async def test_a_token_without_an_expiry_is_read(any_world: World) -> None:
    any_world.provider.tokens = {"expires_in": None}
    connection = await any_world.connect("alice")
    assert (await issue(any_world, connection)).expires_at is None
    assert any_world.provider.refreshes() == []


async def test_a_rejected_token_is_replaced(world: World) -> None:
    connection = await world.connect("alice")
    rejected, sent = world.provider.last
    early = await problem(issue(world, connection, rejected_token=rejected))
    assert (early.code, world.provider.refreshes()) == ("PROVIDER_UNAVAILABLE", [])
    assert 29 <= (early.retry_after or 0) <= 31
    await pass_time(world, 31, "granted_at")
    issued = await issue(world, connection, rejected_token=rejected)
    assert (issued.access_token, world.provider.refreshes()) == (world.provider.last[0], [sent])
    assert issued.access_token != rejected
    # To reject it once more gives it once more.
    assert (await issue(world, connection, rejected_token=rejected)).access_token == issued.access_token
    # And the new one is not refreshed over and over again either.
    again = await problem(issue(world, connection, rejected_token=issued.access_token))
    assert (again.code, len(world.provider.refreshes())) == ("PROVIDER_UNAVAILABLE", 1)
    await pass_time(world, 31, "refreshed_at")
    await issue(world, connection, rejected_token=issued.access_token)
    assert len(world.provider.refreshes()) == 2


async def test_a_rejected_token_without_refresh_token(any_world: World) -> None:
    any_world.provider.tokens = {"refresh_token": None}
    connection = await any_world.connect("alice")
    refused = await problem(issue(any_world, connection, rejected_token=any_world.provider.last[0]))
    assert refused.code == "REAUTHORIZATION_REQUIRED"
    # Only the provider could say whether the grant is over.
    assert await columns(any_world, "status") == ("connected",)


@pytest.mark.parametrize(("left", "code"), [(30, None), (3, "REAUTHORIZATION_REQUIRED")])
async def test_a_connection_without_refresh_token_is_used_up(any_world: World, left: float, code: str | None) -> None:
    any_world.provider.tokens = {"refresh_token": None}
    connection = await any_world.connect("alice")
    await pass_time(any_world, 3600 - left, "expires_at", "granted_at")
    refused: Problem | None = None
    try:
        await issue(any_world, connection)
    except Problem as found:
        refused = found
    assert (refused.code if refused else None) == code
    assert await columns(any_world, "status") == ("connected",)


async def test_it_ends_with_its_access_token(world: World) -> None:
    world.provider.tokens = {"refresh_token": None, "expires_in": 0}
    connection = await world.connect("alice")
    for _ in range(2):
        assert (await problem(issue(world, connection))).code == "REAUTHORIZATION_REQUIRED"
    assert await columns(world, "status, status_reason, due_at") == ("error", "reauthorization_required", None)
    ended = [event for event in await world.events("action, outcome, actor") if event[0] == "refresh"]
    assert ended == [("refresh", "REAUTHORIZATION_REQUIRED", None)]


@pytest.mark.parametrize(("left", "works"), [(50, True), (4, False)])
async def test_a_token_that_is_still_valid_is_better_than_none(any_world: World, left: float, *, works: bool) -> None:
    connection = await any_world.connect("alice")
    token = any_world.provider.last[0]
    # An hour's token has a minute left, at least, before it is refreshed.
    await pass_time(any_world, 3600 - left, "expires_at", "granted_at")
    any_world.provider.refuse("temporarily_unavailable", "503 Service Unavailable")
    if works:
        assert (await issue(any_world, connection)).access_token == token
        assert len(any_world.said("token.short")) == 1
    else:
        assert (await problem(issue(any_world, connection))).code == "PROVIDER_UNAVAILABLE"
    assert len(any_world.provider.refreshes()) == 1


async def test_a_provider_that_issues_expired_tokens(world: World) -> None:
    """RFC 6749 5.1: `expires_in` is the lifetime in seconds, so a token with 0 is no use, whatever the provider means.
    It is refreshed once, and not over and over again."""
    world.provider.tokens = {"expires_in": 0}
    connection = await world.connect("alice")
    for _ in range(3):
        refused = await problem(issue(world, connection))
        assert refused.code == "PROVIDER_UNAVAILABLE"
        assert 1 <= (refused.retry_after or 0) <= 5
    assert len(world.provider.refreshes()) == 1
    assert len(world.said("token.expired")) == 1
    # What the provider gave is stored, for the next refresh.
    assert await world.stored_tokens("alice") == world.provider.last
    assert await columns(world, "status, failures") == ("connected", 0)
    world.provider.tokens = {}
    await pass_time(world, 6)
    assert (await issue(world, connection)).access_token == world.provider.last[0]
    assert len(world.provider.refreshes()) == 2


async def test_new_tokens_with_fewer_scopes(world: World) -> None:
    """RFC 6749 6: a refresh may narrow them."""
    connection = await expired(world)
    world.provider.tokens = {"scope": "sleep"}
    assert (await problem(issue(world, connection, scopes=["sleep", "offline"]))).code == "SCOPES_MISSING"
    assert await columns(world, "status, status_reason, version") == ("connected", "scopes_missing", 2)
    assert (await issue(world, connection, scopes=["sleep"])).scopes == ["sleep"]
    # An answer without scopes leaves them as they are.
    await pass_time(world, 7200)
    world.provider.tokens = {}
    assert (await issue(world, connection)).scopes == ["sleep"]
    await pass_time(world, 7200)
    world.provider.tokens = {"scope": "offline sleep"}
    assert (await issue(world, connection)).scopes == ["offline", "sleep"]
    assert await columns(world, "status_reason, version") == (None, 4)


async def test_a_token_that_can_not_be_decrypted(any_world: World) -> None:
    connection = await any_world.connect("alice")
    another = Vault({"key": bytes(range(1, 33))})
    refused = await problem(issue(any_world, connection, context=service(any_world, vault=another)))
    assert refused.code == "SERVICE_UNAVAILABLE"
    assert len(any_world.said("vault.failed")) == 1


async def test_a_database_that_is_down(any_world: World) -> None:
    connection = await expired(any_world)
    any_world.database.fail(FIND)
    with pytest.raises(DatabaseDown):
        await issue(any_world, connection)
    assert any_world.provider.refreshes() == []


async def test_the_expiry_is_that_of_the_provider(world: World) -> None:
    connection = await expired(world)
    world.provider.tokens = {"expires_in": 7200}
    token = await issue(world, connection)
    row = await row_of(world, connection)
    assert token.expires_at is not None
    # The database has a clock of its own.
    assert timedelta(hours=1, minutes=58) < token.expires_at - row.read_at <= timedelta(hours=2, seconds=1)
