"""Statements in SQL, where the ORM has no words: the database's own clock, RETURNING, an upsert with a condition.

Machines' clocks differ, and a lease that two of them read differently is none. So what is decided by time between
processes is decided by the database's clock.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from tortoise.connection import get_connections
from tortoise.models import Model

M = TypeVar("M", bound=Model)


# As the ORM writes a moment into SQLite: a text that compares as the moment does.
_MOMENT: Final = "strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'"


class Statement:
    """One statement for both dialects, as PostgreSQL has it: `$1` and so on for values, `now()` for this moment.

    In addition `after($1)` is the moment so many seconds from now, and `{name}` a part given by that name. SQLite has
    one writer at a time, so there the locking of rows is left out.
    """

    def __init__(self, text: str, **parts: str) -> None:
        text = " ".join(text.split())
        for name, part in parts.items():
            text = text.replace(f"{{{name}}}", part)
        self._texts = {"postgres": _for_postgres(text), "sqlite": _for_sqlite(text)}

    async def rows(self, *values: Any) -> list[dict[str, Any]]:
        """Run it, in the transaction that is open, and have what it returns. Raises DatabaseDown."""
        client: Any = get_connections().get("default")
        dialect = client.capabilities.dialect
        return await client.execute_query_dict(self._texts[dialect], _fit(values) if dialect == "sqlite" else [*values])

    async def row(self, *values: Any) -> dict[str, Any] | None:
        rows = await self.rows(*values)
        return rows[0] if rows else None


def loaded(model: type[M], row: dict[str, Any]) -> M:
    """A row with all the model's columns, as the ORM would have read it."""
    return model._init_from_db(**row)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - it has no other way


def _for_postgres(text: str) -> str:
    return re.sub(r"after\((\$\d+)\)", r"now() + \1 * interval '1 second'", text)


def _for_sqlite(text: str) -> str:
    text = text.replace("now()", f"{_MOMENT})").replace(" FOR UPDATE SKIP LOCKED", "")
    text = re.sub(r"after\((\$\d+)\)", rf"{_MOMENT}, \1 || ' seconds')", text)
    return re.sub(r"\$(\d+)", r"?\1", text)


def _fit(values: Sequence[Any]) -> list[Any]:
    """As the ORM writes them into SQLite."""
    return [_text(value) if isinstance(value, datetime | UUID) else value for value in values]


def _text(value: datetime | UUID) -> str:
    return str(value.astimezone(UTC) if isinstance(value, datetime) else value)
