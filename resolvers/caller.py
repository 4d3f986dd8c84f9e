"""The caller: what a verified bearer token says, and the scopes that tokens can have."""

from __future__ import annotations

import msgspec

from resolvers.errors import Forbidden, InsufficientScope, Unauthenticated

READ = "read:wearables"
WRITE = "write:wearables"
# For services only: a user's token never has it.
READ_TOKENS = "read:tokens"
READ_AUDIT = "read:audit"
WRITE_ERASURE = "write:erasure"
ISSUE_SESSIONS = "issue:sessions"

PLATFORM_SCOPES = frozenset({READ, WRITE})
SERVICE_SCOPES = frozenset({READ_TOKENS, READ_AUDIT, WRITE_ERASURE, ISSUE_SESSIONS})


class Caller(msgspec.Struct, frozen=True):
    """`user` is the token's subject, None for a service; `client_id` is the app that holds the token."""

    user: str | None
    client_id: str | None
    scopes: frozenset[str]

    @property
    def is_service(self) -> bool:
        """Whether this is a client that TENDON_SERVICES names: every other caller has a user."""
        return self.user is None


def with_scope(caller: Caller | None, scope: str) -> Caller:
    """The caller, if there is one and its token has `scope`. Raises Unauthenticated and InsufficientScope."""
    if caller is None:
        raise Unauthenticated
    if scope not in caller.scopes:
        raise InsufficientScope(scope)
    return caller


def user_with_scope(caller: Caller | None, scope: str) -> str:
    """The calling user, if the token has `scope`. Raises Forbidden for a service, and what `with_scope` raises."""
    user = with_scope(caller, scope).user
    if user is None:
        raise Forbidden("A service token can't do this. Use the user's own token.")
    return user


def may_act_for(caller: Caller, user: str) -> bool:
    """Whether the caller may see what belongs to `user`: that user, or a service."""
    return caller.is_service or caller.user == user
