"""SQL statements that run on both engines: conditional upserts, RETURNING, several statements that run atomically, and
the database's clock.

The clocks of machines differ, so the database's clock decides wherever processes compete.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence
from typing import Any, Final

from models.engine import Row, Script, Session, Step
from models.engine.interface import Values

__all__ = ["Row", "Statement"]

# The format of times in SQLite, which are stored as text. It sorts in the order of time.
_MOMENT: Final = "strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'"
_NAME: Final = re.compile(r"(?<![:\w]):([a-z_]+)")
_CONDITION: Final = re.compile(r" FROM done WHERE (done\.\w+(?: OR done\.\w+)*)(\)?)$")
_NOT_NULL: Final = re.compile(r" FROM done WHERE CAST\(:(\w+) AS text\) IS NOT NULL\b")
_DONE: Final = re.compile(r"\bdone\b")
_DIGEST: Final = re.compile(r"\bdigest\(([^()]*)\)")
_POSTGRES_DIGEST: Final = r"substring(sha256(convert_to(concat_ws(E'\\n', \1), 'UTF8')), 1, 16)"
_RFC3339: Final = re.compile(r"\brfc3339\((\w+)\)")
_POSTGRES_RFC3339: Final = r"""to_char(\1 AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
_SQLITE_RFC3339: Final = r"replace(substr(\1, 1, 23), ' ', 'T') || 'Z'"
_NAME_OR_DONE: Final = re.compile(r"(?<![:\w]):([a-z_]+)|\b(done\.\w+)")


class Statement:
    """A statement for both dialects, written in PostgreSQL's syntax, optionally followed by others that run atomically
    with it.

    `:name` is a parameter, `now()` the current time, `after(:name)` that many seconds from now, `digest(…)` what
    `models.engine.digest` returns for the same columns, `rfc3339(…)` the text of a time in UTC with milliseconds, as
    responses have it, and `{name}` the SQL fragment that is passed as `name`. Row locks are left out on SQLite, which
    has only one writer at a time.

    `adding` is a column with a subquery, which the rows get in addition to those of RETURNING: distributed databases
    accept no subquery there.

    With several statements, the first locks the rows that it depends on. The others run once for each row that it
    returned, which they read `FROM done` as `done.column`; one that ends in `FROM done WHERE done.column`, which may be
    a subquery, runs only if that column is true, or one of several with `OR` between them. On PostgreSQL all of them
    become a single statement, whose parts see the same snapshot and run in no particular order, so no two parts may
    change the same row.

    `joining` is one more, which runs before these, and returns a row or none. Its columns are added to the only row of
    the first one, and are null if it returns none. With `FROM done WHERE CAST(:name AS text) IS NOT NULL` it must
    have no effect if that parameter is null, and is not run on SQLite then.
    """

    def __init__(
        self, text: str, *then: str, adding: str | None = None, joining: str | None = None, **parts: str
    ) -> None:
        first, *others = [_filled(one, parts) for one in (text, *then)]
        column = _filled(adding, parts) if adding else None
        joined = _filled(joining, parts) if joining else None
        writes = not first.startswith("SELECT")
        # SQLite has no distributed tables, and one statement is faster there than two.
        steps = [_for_sqlite(f"{first}, {column}" if column else first)]
        if joined:
            steps.append(_for_sqlite(joined, tuple(_NOT_NULL.findall(joined)), joins=True))
        steps += [_for_sqlite(one) for one in others]
        self._scripts = {
            "postgres": Script((_for_postgres(_chained(first, column, joined, others)),), writes),
            "sqlite": Script(tuple(steps), writes),
        }

    def rows(self, session: Session, /, **values: Any) -> Awaitable[Sequence[Row]]:
        """The rows that the first statement returns; columns named `…_at` are datetimes. If `session` is a Database, it
        is committed by then. Awaiting it raises DatabaseDown."""
        return session.run(self._scripts[session.dialect], values)

    def run(self, session: Session, values: Values) -> Awaitable[Sequence[Row]]:
        """As `rows` does, without a copy of the values. There may be more than the statement has parameters."""
        return session.run(self._scripts[session.dialect], values)

    async def row(self, session: Session, /, **values: Any) -> Row | None:
        """The first row, if there is one. On the hot path `rows` is cheaper: it adds no coroutine to the engine's."""
        rows = await self.rows(session, **values)
        return rows[0] if rows else None


def _filled(text: str, parts: dict[str, str]) -> str:
    text = " ".join(text.split())
    for name, part in parts.items():
        text = text.replace(f"{{{name}}}", part)
    return " ".join(text.split())


def _chained(first: str, column: str | None, joined: str | None, others: Sequence[str]) -> str:
    """Combines the statements into one, which is its own transaction and costs one round trip."""
    if not column and not joined and not others:
        return first
    parts = _row(first, column, "before" if joined else "done")
    if joined:
        parts.append(f"joined AS ({_DONE.sub('before', joined)})")
        parts.append("done AS (SELECT before.*, joined.* FROM before LEFT JOIN joined ON true)")
    parts += [f"then_{number} AS ({text})" for number, text in enumerate(others, 1)]
    return f"WITH {', '.join(parts)} SELECT * FROM done"  # noqa: S608 - all of it is ours


def _row(first: str, column: str | None, name: str) -> list[str]:
    if column is None:
        return [f"{name} AS ({first})"]
    return [f"changed AS ({first})", f"{name} AS (SELECT changed.*, {column} FROM changed)"]  # noqa: S608


def _for_postgres(text: str) -> Step:
    """Each parameter is passed once, however often it occurs. PostgreSQL refuses to prepare a statement in which it
    finds two types for one of them: then a CAST decides."""
    numbers: dict[str, int] = {}
    text = _NAME.sub(lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", text)
    text = re.sub(r"after\((\$\d+)\)", r"now() + \1::float8 * interval '1 second'", text)
    text = _RFC3339.sub(_POSTGRES_RFC3339, text)
    return Step(_DIGEST.sub(_POSTGRES_DIGEST, text), tuple(numbers))


def _for_sqlite(text: str, condition: tuple[str, ...] = (), *, joins: bool = False) -> Step:
    if found := _CONDITION.search(text):
        condition = tuple(found[1].split(" OR "))
        text = _CONDITION.sub(r"\2", text)
    text = re.sub(r" FROM done\b| FOR UPDATE( SKIP LOCKED)?", "", text)
    text = _RFC3339.sub(_SQLITE_RFC3339, text)
    names = [name or done for name, done in _NAME_OR_DONE.findall(text)]
    text = _NAME_OR_DONE.sub("?", text)
    text = text.replace("after(?)", f"{_MOMENT}, ? || ' seconds')")
    return Step(text.replace("now()", f"{_MOMENT})"), tuple(names), condition, joins=joins)
