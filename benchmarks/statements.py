"""The peers' SQL, one file a statement, in an engine's own dialect. It does what Tendon's resolvers do.

The files are written for PostgreSQL; `now()` and `after($1)`, so many seconds from now, are the database's clock. What
one engine alone has is in a folder of its name: PostgreSQL writes in one statement what SQLite writes in several of one
transaction, since only there each costs a round trip, and SQLite has no WITH that changes rows.
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
