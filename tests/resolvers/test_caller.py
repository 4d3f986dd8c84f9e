"""Who may do what: scopes, users and services."""

from __future__ import annotations

import pytest

from resolvers.caller import (
    ISSUE_SESSIONS,
    PLATFORM_SCOPES,
    READ,
    READ_AUDIT,
    READ_TOKENS,
    SERVICE_SCOPES,
    WRITE,
    WRITE_ERASURE,
    Caller,
    may_act_for,
    user_with_scope,
    with_scope,
)
from resolvers.errors import Forbidden, InsufficientScope, Unauthenticated

ALICE = Caller("alice", "app", frozenset({READ}))
SERVICE = Caller(None, "reporting", frozenset({READ}))


def test_the_scopes() -> None:
    assert PLATFORM_SCOPES == {"read:wearables", "write:wearables"} == {READ, WRITE}
    ours = {"read:tokens", "read:audit", "write:erasure", "issue:sessions"}
    assert SERVICE_SCOPES == ours == {READ_TOKENS, READ_AUDIT, WRITE_ERASURE, ISSUE_SESSIONS}


def test_a_caller_without_a_user_is_a_service() -> None:
    assert SERVICE.is_service
    assert not ALICE.is_service


def test_a_scope_is_needed() -> None:
    for caller in (ALICE, SERVICE):
        assert with_scope(caller, READ) is caller
        with pytest.raises(InsufficientScope, match="lacks the scope write:wearables") as raised:
            with_scope(caller, WRITE)
        assert raised.value.scope == WRITE
    with pytest.raises(Unauthenticated):
        with_scope(None, READ)


def test_a_users_flow_needs_a_user() -> None:
    assert user_with_scope(ALICE, READ) == "alice"
    with pytest.raises(Forbidden, match="A service token can't do this"):
        user_with_scope(SERVICE, READ)
    with pytest.raises(InsufficientScope):
        user_with_scope(SERVICE, WRITE)
    with pytest.raises(Unauthenticated):
        user_with_scope(None, READ)


def test_who_may_act_for_whom() -> None:
    assert may_act_for(ALICE, "alice")
    assert not may_act_for(ALICE, "bob")
    assert may_act_for(SERVICE, "alice")
