"""How values look on both interfaces."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import strawberry
from graphql import GraphQLError


def timestamp(value: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and `Z`."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(value: Any) -> datetime:
    """Raises GraphQLError, so that it counts as the client's mistake."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise GraphQLError("DateTime must be written as RFC 3339 does.") from None


SCALARS: dict[object, Any] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment as RFC 3339 writes it, in UTC with milliseconds: `2026-11-23T12:00:00.000Z`.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=timestamp,
        parse_value=_moment,
    )
}
