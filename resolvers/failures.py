"""An unexpected exception, as the log may show it."""

from __future__ import annotations

import traceback
from typing import Any, Final

from models.database import DatabaseDown

# How far down a chain of causes, and how many frames of it, the log goes.
_LINKS: Final = 5
_FRAMES: Final = 12


def outage(cause: BaseException) -> str | None:
    """What is wrong with the database, for the log; None when it is something else."""
    return cause.reason if isinstance(cause, DatabaseDown) else None


def described(cause: BaseException) -> dict[str, Any]:
    """An exception for the log: its kinds and where it came from. Not its text, which may hold what a user sent."""
    frames = traceback.extract_tb(cause.__traceback__)
    kinds: list[str] = []
    link: BaseException | None = cause
    while link is not None and len(kinds) < _LINKS:
        kinds.append(type(link).__qualname__)
        link = link.__cause__ or link.__context__
    return {"error": " from ".join(kinds), "frames": [f"{f.filename}:{f.lineno} {f.name}" for f in frames[-_FRAMES:]]}
