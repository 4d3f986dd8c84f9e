"""Values on their way into and out of the schema."""

from __future__ import annotations

from typing import Any

import pytest
import strawberry
from graphql import OperationDefinitionNode, parse
from strawberry.schema.config import StrawberryConfig

from models.connection import StoredConnection
from providers.entry.provider import provider_id
from schema.execution import Executor
from schema.scalars import SCALARS
from schema.types import PUBLIC_FIELDS, CompleteConnectionInput, Connection, actions
from tests.schema.contexts import public_context


@strawberry.type
class Showing:
    connection: StoredConnection = strawberry.field(graphql_type=Connection)


SHOWING = strawberry.Schema(Showing, config=StrawberryConfig(scalar_map=SCALARS))


def test_an_optional_member_that_is_empty_is_absent() -> None:
    """As a redirect without the parameter: `iss=` says nothing."""
    needed: dict[str, Any] = {"provider": "p", "code": "", "state": "s", "redirect_uri": "u"}
    for absent in (strawberry.UNSET, None, ""):
        callback = CompleteConnectionInput(**needed, iss=absent, scope=absent, error=absent).callback()
        assert (callback.iss, callback.scope, callback.error) == (None, None, None)
    given = CompleteConnectionInput(**needed, iss="i", scope="a b", error="e").callback()
    assert (given.iss, given.scope, given.error) == ("i", "a b", "e")
    assert (given.provider, given.code, given.state, given.redirect_uri) == ("p", "", "s", "u")


def test_the_actions_of_an_operation() -> None:
    def named(text: str) -> list[str]:
        operation = parse(text).definitions[0]
        assert isinstance(operation, OperationDefinitionNode)
        return list(actions(operation))

    assert named("mutation { completeConnection { a } authorizeConnection { b } c: authorizeConnection }") == [
        "complete",
        "authorize",
        "authorize",
    ]
    assert named("mutation { __typename ...F ... { authorizeConnection } other }") == []


def test_what_is_open_to_everybody() -> None:
    assert {"providers", "provider"} == PUBLIC_FIELDS
    kind: Any = Executor(explore=False).graphql.query_type
    assert kind.fields.keys() == {*PUBLIC_FIELDS, "auditEvents", "connection", "connections"}


@pytest.mark.parametrize("account", ["an account", "", None])
def test_the_fields_of_a_connection(account: str | None) -> None:
    made, updated = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.123Z"
    row = StoredConnection(
        id="id",
        user_id="alice",
        provider="oura",
        status="connected",
        last_sync_at=None,
        created_at=made,
        account=account,
        requested='["a", "b"]',
        granted='["b", "c"]',
        updated_at=updated,
        granted_at=None,
        version=1,
        status_reason="scopes_missing",
        site="",
        expires_at=made,
        refreshed_at=None,
    )
    document = """{ connection {
        id userId providerId providerSlug status lastSyncAt createdAt provider { slug } statusReason site
        scopes { requested granted missing } expiresAt refreshedAt requestedScopes grantedScopes accountId updatedAt
    } }"""
    shown = SHOWING.execute_sync(document, context_value=public_context(), root_value=Showing(connection=row))
    assert (shown.errors, shown.data) == (
        None,
        {
            "connection": {
                "id": "id",
                "userId": "alice",
                "providerId": str(provider_id("oura")),
                "providerSlug": "oura",
                "status": "connected",
                "lastSyncAt": None,
                "createdAt": made,
                "provider": {"slug": "oura"},
                "statusReason": "scopes_missing",
                "site": None,
                "scopes": {"requested": ["a", "b"], "granted": ["b", "c"], "missing": ["a"]},
                "expiresAt": made,
                "refreshedAt": None,
                "requestedScopes": ["a", "b"],
                "grantedScopes": ["b", "c"],
                "accountId": account,
                "updatedAt": updated,
            }
        },
    )
