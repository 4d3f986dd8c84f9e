"""The SQL for the peers, one statement per file, in an engine's dialect. It does the same as Tendon's own SQL.

The files are written for PostgreSQL. `now()` and `after($1)` (a number of seconds from now) use the database's clock.
Ids and times are passed as text, so that no contender has to convert them: `text(column)` and `uuid($1)`, `text(now())`
and `moment($1)`. `shown(column)` is a time as responses have it, except on SQLite, where contenders cut it from the
text themselves, since SQLite takes longer for that. `renewed()` are the columns of refreshes, which new tokens reset.

Statements for one engine only are in a folder with its name: PostgreSQL writes with one statement what SQLite writes
with several in one transaction, because each costs a round trip there, and SQLite has no data-modifying WITH.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "peers" / "statements"
_MOMENT: Final = "strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'"
_RENEWED: Final = """pending_grant = NULL, owner = NULL, lease_until = NULL, unsure = 0, first_sent_at = NULL,
    retry_at = NULL, failures = 0, failing_since = NULL, refreshed_at = NULL, refreshed_by = NULL"""
_DIALECTS: Final[Mapping[str, Mapping[str, str]]] = {
    "postgres": {
        r"shown\((\w+)\)": r"""to_char(\1 AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
        r"text\((\w+|now\(\))\)": r"\1::text",
        r"uuid\((\$\d+)\)": r"\1::text::uuid",
        r"moment\((\$\d+)\)": r"\1::text::timestamptz",
        r"after\((\$\d+)\)": r"now() + \1 * interval '1 second'",
    },
    "sqlite": {
        r"shown\((\w+)\)": r"\1",
        r"text\((\w+|now\(\))\)": r"\1",
        r"now\(\)": f"{_MOMENT})",
        r"after\((\$\d+)\)": rf"{_MOMENT}, \1 || ' seconds')",
        # Last, since it changes how parameters are written.
        r"\$(\d+)": r"?\1",
    },
}
"""What stands in the files, as a pattern, and what it is in that dialect."""


def statements(engine: str) -> dict[str, str]:
    """SQL by the name of its file."""
    files = [*_FOLDER.glob("*.sql"), *(_FOLDER / engine).glob("*.sql")]
    return {path.stem: _in_dialect(path.read_text(encoding="utf-8"), engine) for path in sorted(files)}


def _in_dialect(text: str, engine: str) -> str:
    text = " ".join(text.replace("renewed()", _RENEWED).split())
    for pattern, replacement in _DIALECTS[engine].items():
        text = re.sub(pattern, replacement, text)
    return text
