"""Checks whether existing rows are sealed with a vault key. This runs only for a key that a process lacks, which is
rare."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, Final
from uuid import UUID

from models.database import Session
from models.statement import Statement
from models.vault import key_id_bytes

# Time limit for one search, and the minimum time for which its result is used, both in seconds.
_BUDGET: Final = 0.5
_FRESH: Final = 5.0
# A result is used for this many times the duration of its search, so that searches don't keep the database busy.
_REST_FACTOR: Final = 20
# Rows read at once, and an id above all others.
_BATCH: Final = 1000
_NEWEST: Final = str(UUID(int=2**128 - 1))
# An authorization request contains a sealed value until it ends: at the latest so many seconds before and after it
# expires.
_WAITING: Final = 3600.0
_ENDING: Final = 120.0

_VERIFIER: Final = Statement(
    """
    SELECT state_hash FROM authorization_request
    WHERE expires_at > after(:ended) AND expires_at <= after(:waiting) AND substr(verifier, 2, :size) = :head LIMIT 1"""
)
_TOKENS: Final = Statement(
    """
    SELECT id, substr(access_token, 2, :size) = :head OR substr(refresh_token, 2, :size) = :head AS found
    FROM connection WHERE id < :before ORDER BY id DESC LIMIT :most"""
)
_MATERIAL: Final = Statement(
    """
    SELECT id, substr(material, 2, :size) = :head AS found
    FROM revocation WHERE id < :before ORDER BY id DESC LIMIT :most"""
)
_LARGE: Final = (_TOKENS, _MATERIAL)


class KeyUse:
    """Searches the tables, newest rows first and one batch at a time: they may be large, and no index covers key ids.
    Until the search is complete, the key counts as used. `clock` gives seconds, as `monotonic` does."""

    def __init__(self, key_id: str, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        head = key_id_bytes(key_id)
        self._head: dict[str, Any] = {"head": head, "size": len(head)}
        self._found = True
        self._table = 0
        self._before: Any = _NEWEST
        self._took = 0.0
        self._due = float("-inf")

    async def found(self, session: Session) -> bool:
        """Whether the key is used, as far as it is known. Takes up to half a second. Raises DatabaseDown."""
        began = self._clock()
        if began >= self._due:
            found = await self._search(session, began + _BUDGET)
            self._took += self._clock() - began
            if found is not None:
                self._conclude(found)
        return self._found

    async def _search(self, session: Session, until: float) -> bool | None:
        """Searches until the time `until`. Returns None when there are more rows to search."""
        begins = self._table == 0 and self._before == _NEWEST
        if begins and await _VERIFIER.row(session, ended=-_ENDING, waiting=_WAITING, **self._head):
            return True
        while self._clock() < until:
            found = await self._search_batch(session)
            if found is not None:
                return found
        return None

    async def _search_batch(self, session: Session) -> bool | None:
        """Reads the next rows, to the end of the tables or until there is a full batch."""
        for table in _LARGE[self._table :]:
            rows = await table.rows(session, before=self._before, most=_BATCH, **self._head)
            if any(found for _, found in rows):
                return True
            if len(rows) == _BATCH:
                self._before = rows[-1][0]
                return None
            self._table, self._before = self._table + 1, _NEWEST
        return False

    def _conclude(self, found: bool) -> None:
        self._found = found
        self._due = self._clock() + max(_FRESH, _REST_FACTOR * self._took)
        self._table, self._before, self._took = 0, _NEWEST, 0.0
