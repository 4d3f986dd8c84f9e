"""What the log shows of an exception."""

from __future__ import annotations

import traceback
from typing import Any, Final

from models.database import DatabaseDown

# The maximum number of causes that are logged, and of frames.
_CAUSES: Final = 5
_FRAMES: Final = 12


def database_outage(fault: BaseException) -> str | None:
    """What is wrong with the database; None when it is something else."""
    return fault.reason if isinstance(fault, DatabaseDown) else None


def exception_details(fault: BaseException) -> dict[str, Any]:
    """The types of an unexpected exception and its causes, and where it came from. Not its text, which may contain what
    a user sent."""
    frames = traceback.extract_tb(fault.__traceback__)
    types: list[str] = []
    cause: BaseException | None = fault
    while cause is not None and len(types) < _CAUSES:
        types.append(type(cause).__qualname__)
        cause = cause.__cause__ or cause.__context__
    return {"error": " from ".join(types), "frames": [f"{f.filename}:{f.lineno} {f.name}" for f in frames[-_FRAMES:]]}
