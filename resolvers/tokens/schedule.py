"""When tokens are refreshed: on demand, and by the worker. `providers/refresh_time.py` has the margins."""

from __future__ import annotations

from datetime import UTC, datetime

from models.token_row import TokenRow
from providers.provider import Provider
from providers.refresh_time import needs_refresh, refresh_ahead_at


def has_margin(provider: Provider, row: TokenRow) -> bool:
    """Whether the access token has enough time left to be used."""
    issued_at = row.refreshed_at or row.granted_at
    return not needs_refresh(
        provider.token,
        expires_at=row.expires_at,
        # A token may have expired before it was stored.
        issued_at=min(issued_at, row.expires_at or issued_at),
        now=row.read_at,
        key=f"{row.id} {row.version}",
    )


def seconds_left(row: TokenRow) -> float:
    """Of the access token, when the row was read."""
    return (row.expires_at - row.read_at).total_seconds() if row.expires_at else float("inf")


def due_in(provider: Provider, expires_at: datetime | None, key: str, *, has_refresh_token: bool) -> float | None:
    """Seconds until the worker has something to do for a connection whose tokens are new. None for never.

    It refreshes tokens where they would expire unused. A connection without a refresh token ends with its access token.
    `key` is the connection's id, or any other text.
    """
    now = datetime.now(UTC)
    when = refresh_ahead_at(provider.token, issued_at=now, key=key) if has_refresh_token else expires_at
    return None if when is None else max((when - now).total_seconds(), 0)
