"""The SQL for the peers, one statement per file, in an engine's dialect. It does the same as Tendon's own SQL.

The files are written for PostgreSQL; `now()` and `after($1)` (a number of seconds from now) use the database's clock.
Statements for one engine only are in a folder with its name: PostgreSQL writes with one statement what SQLite writes
with several in one transaction, because each costs a round trip there, and SQLite has no data-modifying WITH.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "peers" / "statements"
_MOMENT: Final = "strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'"


def statements(engine: str) -> dict[str, str]:
    """SQL by the name of its file."""
    dialect = {"sqlite": _for_sqlite, "postgres": _for_postgres}[engine]
    files = [*_FOLDER.glob("*.sql"), *(_FOLDER / engine).glob("*.sql")]
    return {path.stem: dialect(" ".join(path.read_text().split())) for path in sorted(files)}


def _for_postgres(text: str) -> str:
    return re.sub(r"after\((\$\d+)\)", r"now() + \1 * interval '1 second'", text)


def _for_sqlite(text: str) -> str:
    text = re.sub(r"after\((\$\d+)\)", rf"{_MOMENT}, \1 || ' seconds')", text.replace("now()", f"{_MOMENT})"))
    return re.sub(r"\$(\d+)", r"?\1", text)
