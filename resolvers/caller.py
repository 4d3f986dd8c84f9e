"""Who is calling: what a verified bearer token says, and the scopes it can carry."""

from __future__ import annotations

from dataclasses import dataclass

from resolvers.errors import Forbidden, InsufficientScope, Unauthenticated

READ = "read:wearables"
WRITE = "write:wearables"


@dataclass(frozen=True, slots=True)
class Caller:
    """`user` is the token's subject, None for a service token; `client_id` is the app that holds the token."""

    user: str | None
    client_id: str | None
    scopes: frozenset[str]


def with_scope(caller: Caller | None, scope: str) -> Caller:
    """The caller, when there is one and its token has `scope`."""
    if caller is None:
        raise Unauthenticated
    if scope not in caller.scopes:
        raise InsufficientScope(scope)
    return caller


def user_with_scope(caller: Caller | None, scope: str) -> str:
    """The user who calls, when the token has `scope` and a user: a service can't walk a user's flow."""
    user = with_scope(caller, scope).user
    if user is None:
        raise Forbidden("A service token can't do this. Use the user's own token.")
    return user


def may_act_for(caller: Caller, user: str) -> bool:
    """Whether the caller may see what belongs to `user`: the user, or a service (RFC 6749 4.4)."""
    return caller.user is None or caller.user == user
