"""SQL that both engines run, for what the ORM can't express and for the hot path: conditional upserts, RETURNING,
several statements that take effect together, and the database's own clock.

The clocks of machines differ, so whatever processes decide between them by time is decided by the database's clock.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence
from itertools import count
from typing import Any, Final

from models.engine import Row, Script, Session, Step

__all__ = ["Row", "Statement"]

# The text that stands for a time in SQLite. Texts compare as their times do.
_MOMENT: Final = "strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'"
_NAME: Final = re.compile(r"(?<![:\w]):([a-z_]+)")
_CONDITION: Final = re.compile(r" FROM done WHERE (done\.\w+)$")
_NAME_OR_DONE: Final = re.compile(r"(?<![:\w]):([a-z_]+)|\b(done\.\w+)")


class Statement:
    """One statement for both dialects, in PostgreSQL's syntax, and the statements that follow from it, run atomically.

    `:name` is a value, `now()` the current time, `after(:name)` that many seconds from now, and `{name}` a fragment
    given by that name. SQLite has one writer at a time, so row locks are left out there.

    The first statement decides: it returns one row or none, and locks the rows it depends on. The statements after it
    take effect only for that row, `FROM done`, whose columns are `done.column`; one that ends in
    `FROM done WHERE done.column`, only where that is true. On PostgreSQL they are all a single statement: its parts see
    the database as it was before and run in no particular order, so no part may change a row that another part changes.
    """

    def __init__(self, text: str, *then: str, **parts: str) -> None:
        texts = [_filled(one, parts) for one in (text, *then)]
        writes = not texts[0].startswith("SELECT")
        self._scripts = {
            "postgres": Script((_for_postgres(_chained(texts)),), writes),
            "sqlite": Script(tuple(_for_sqlite(one) for one in texts), writes),
        }

    def rows(self, session: Session, /, **values: Any) -> Awaitable[Sequence[Row]]:
        """What the first statement returns, with the columns of each row in its order; columns named `…_at` are
        datetimes. On a database, it is committed by then. Awaiting it raises DatabaseDown."""
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


def _chained(texts: Sequence[str]) -> str:
    """One statement is its own transaction, and costs one round trip."""
    if len(texts) == 1:
        return texts[0]
    then = [f"then_{place} AS ({text})" for place, text in enumerate(texts[1:], 1)]
    return f"WITH done AS ({texts[0]}), {', '.join(then)} SELECT * FROM done"  # noqa: S608 - all of it is ours


def _for_postgres(text: str) -> Step:
    """A value that is used twice is passed twice, since it may be of two types."""
    names = _NAME.findall(text)
    places = count(1)
    text = _NAME.sub(lambda _: f"${next(places)}", text)
    return Step(re.sub(r"after\((\$\d+)\)", r"now() + \1 * interval '1 second'", text), tuple(names))


def _for_sqlite(text: str) -> Step:
    found = _CONDITION.search(text)
    text = _CONDITION.sub("", text)
    text = re.sub(r" FROM done\b| FOR UPDATE( SKIP LOCKED)?", "", text)
    names = [name or done for name, done in _NAME_OR_DONE.findall(text)]
    text = _NAME_OR_DONE.sub("?", text)
    text = text.replace("after(?)", f"{_MOMENT}, ? || ' seconds')")
    return Step(text.replace("now()", f"{_MOMENT})"), tuple(names), found and found[1])
