"""How far the clearing of a process has come: when the next run is due, and from where on it searches."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ClearingProgress(msgspec.Struct):
    """No run begins before `due`, a time of the running loop.

    A deleted entry stays in an index as long as an old snapshot may need it, in a dump for example. So that no search
    reads the same ones again, each begins where the last one ended, at `requests_since` and `ended_since`. From
    `beginning_due` on, one searches from the beginning, to find what was locked before.
    """

    requests_since: datetime = BEGINNING
    ended_since: datetime = BEGINNING
    beginning_due: float = float("-inf")
    due: float = float("-inf")
    running: bool = False
