"""When the tokens of a connection are refreshed: the one margin for callers and for the background work."""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta
from typing import Final

from providers.entry.token import Token

SPREAD: Final = 0.5
"""The part of a margin by which a refresh may come earlier, so that tokens that were issued together are not refreshed
together."""

SHARE: Final = 3
"""A margin is at most this part of a token's lifetime. Otherwise a token with a short life would be refreshed whenever
somebody asks for it."""

AHEAD: Final = timedelta(days=1)
"""How long tokens are left alone with `refresh_ahead`, at most, if it is not known how long a refresh token works."""

LONGEST_AHEAD: Final = timedelta(days=30)
"""The same if that is known: a quarter of its life, so that there are several tries, but never longer than this."""


def refresh_at(token: Token, *, expires_at: datetime | None, issued_at: datetime, key: str) -> datetime | None:
    """The time from which an access token is refreshed before somebody gets it, between one margin and one and a half
    before `expires_at`. None if it doesn't expire, or the provider didn't say when.

    `key` names the token, such as the connection and its version: it always has the same time for the same key.
    """
    if expires_at is None:
        return None
    margin = min(timedelta(seconds=token.margin), (expires_at - issued_at) / SHARE)
    return expires_at - margin * (1 + SPREAD * _part(key))


def needs_refresh(token: Token, *, expires_at: datetime | None, issued_at: datetime, now: datetime, key: str) -> bool:
    """Whether an access token is refreshed before somebody gets it. As for `refresh_at`."""
    if expires_at is None or (expires_at - now).total_seconds() >= token.margin * (1 + SPREAD):
        # So it is for most callers, and no spread is needed to know it.
        return False
    due = refresh_at(token, expires_at=expires_at, issued_at=issued_at, key=key)
    return due is not None and due <= now


def refresh_ahead_at(token: Token, *, issued_at: datetime, key: str) -> datetime | None:
    """The time at which a connection that nobody uses is refreshed, so that its refresh token doesn't expire: within
    a day of `issued_at`, or a quarter of the refresh token's life, and not before half of that. None without
    `refresh_ahead`. `key` is as for `refresh_at`."""
    if not token.refresh_ahead:
        return None
    return issued_at + longest_ahead(token) * (1 - SPREAD * _part(key))


def longest_ahead(token: Token) -> timedelta:
    """How long tokens are left alone with `refresh_ahead`, at most."""
    life = token.refresh_expires
    return AHEAD if life is None else min(timedelta(seconds=life) / 4, LONGEST_AHEAD)


def due_in(
    token: Token, expires_at: datetime | None, key: str, *, now: datetime, has_refresh_token: bool
) -> float | None:
    """Seconds until the worker has something to do for a connection whose tokens are new. None for never.

    It refreshes tokens where they would expire unused. A connection without a refresh token ends with its access token.
    `key` is the connection's id, or any other text.
    """
    when = refresh_ahead_at(token, issued_at=now, key=key) if has_refresh_token else expires_at
    return None if when is None else max((when - now).total_seconds(), 0)


def _part(key: str) -> float:
    """From 0 up to 1, spread evenly over the keys."""
    return zlib.crc32(key.encode()) / 2**32
