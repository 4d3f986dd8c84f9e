"""How much time an access token has left. `providers/refresh_time.py` has the margins."""

from __future__ import annotations

from models.token_row import TokenRow
from providers.entry.provider import Provider
from providers.refresh_time import needs_refresh


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
