"""Values of scalars on their way into and out of the schema."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from graphql import GraphQLError

from schema.execution import Executor

DATE_TIME: Any = Executor(explore=True).graphql.type_map["DateTime"]


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC), "2026-11-23T12:00:00.000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC), "2026-01-02T03:04:05.678Z"),
        (datetime(2026, 11, 23, 1, 0, tzinfo=timezone(timedelta(hours=2))), "2026-11-22T23:00:00.000Z"),
        ("2026-11-23T12:00:00.678Z", "2026-11-23T12:00:00.678Z"),
    ],
)
def test_a_timestamp_is_shown_in_utc_with_milliseconds(moment: datetime | str, shown: str) -> None:
    assert DATE_TIME.serialize(moment) == shown


def test_a_timestamp_is_read() -> None:
    assert DATE_TIME.parse_value("2026-11-23T12:00:00.000Z") == datetime(2026, 11, 23, 12, tzinfo=UTC)
    for wrong in ("yesterday", "", 5, None, ["2026-11-23T12:00:00Z"]):
        with pytest.raises(GraphQLError, match=r"^DateTime must be written as RFC 3339 does\.$"):
            DATE_TIME.parse_value(wrong)
