"""What unexpected exceptions are, for callers and for the log: the database being away, or a fault of ours."""

from __future__ import annotations

import traceback
from typing import Any, Final

from models.database import DATABASE_DOWN

# How far down a chain of causes, and how many frames of it, the log goes.
_LINKS: Final = 5
_FRAMES: Final = 12


def is_database_down(cause: BaseException) -> bool:
    """By exact type: the ORM's subclasses of these are faults of ours, such as a broken constraint."""
    return type(cause) in DATABASE_DOWN


def database_error(cause: BaseException) -> str:
    """The kind, and SQLite's own name for what is wrong, such as SQLITE_BUSY or SQLITE_FULL."""
    inner = cause.args[0] if cause.args and isinstance(cause.args[0], BaseException) else cause
    return f"{type(cause).__name__} {getattr(inner, 'sqlite_errorname', '')}".strip()


def described(cause: BaseException) -> dict[str, Any]:
    """An exception for the log: its kinds and where it came from. Not its text, which may hold what a user sent."""
    frames = traceback.extract_tb(cause.__traceback__)
    kinds: list[str] = []
    link: BaseException | None = cause
    while link is not None and len(kinds) < _LINKS:
        kinds.append(type(link).__qualname__)
        link = link.__cause__ or link.__context__
    return {"error": " from ".join(kinds), "frames": [f"{f.filename}:{f.lineno} {f.name}" for f in frames[-_FRAMES:]]}
