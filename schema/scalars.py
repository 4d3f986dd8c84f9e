"""The scalars that GraphQL does not have itself."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, Final

import strawberry
from graphql import GraphQLError


def _serialize(value: datetime | str) -> str:
    """Text is what a statement returns that formats the time itself."""
    if isinstance(value, str):
        return value
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _parse(value: Any) -> datetime:
    """Raises GraphQLError, so that it counts as the client's mistake."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise GraphQLError("DateTime must be written as RFC 3339 does.") from None


def _parse_date(value: Any) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise GraphQLError("Date must be written as 2026-12-31 is.") from None


SCALARS: Final[dict[object, Any]] = {
    date: strawberry.scalar(
        name="Date",
        description="A day, such as `2026-12-31`.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=date.isoformat,
        parse_value=_parse_date,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="An RFC 3339 timestamp in UTC with milliseconds, such as `2026-11-23T12:00:00.000Z`.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=_serialize,
        parse_value=_parse,
    ),
}
