"""Whether living rows are sealed under a vault key: asked of keys that a process lacks, which is seldom."""

from __future__ import annotations

from time import monotonic
from typing import Any, Final
from uuid import UUID

from models.statement import Statement
from models.vault import key_id_bytes

# Seconds that one look may take, and that what was found counts for at least.
_BUDGET: Final = 0.5
_FRESH: Final = 5.0
# What was found counts for so many times as long as it took to find: it must not keep the database busy.
_RESTING: Final = 20
# Rows that are read at once, and the id above all others.
_AT_ONCE: Final = 1000
_NEWEST: Final = str(UUID(int=2**128 - 1))
# Seconds in which every request ends that waits for its callback or its tokens, with much to spare. The rest stays for
# days and holds nothing sealed.
_WAITING: Final = 3600.0

_VERIFIER: Final = Statement(
    """
    SELECT state_hash FROM authorization_request
    WHERE purge_after > now() AND purge_after <= after(:waiting) AND substr(verifier, 2, :size) = :head LIMIT 1"""
)
_TOKENS: Final = Statement(
    """
    SELECT id, substr(access_token, 2, :size) = :head OR substr(refresh_token, 2, :size) = :head AS found
    FROM connection WHERE id < :before ORDER BY id DESC LIMIT :most"""
)


class KeyUse:
    """Looks through the tables, the newest rows first and a bit at a time: they may be large, and no index knows keys.
    Until all was looked through, the key counts as used."""

    def __init__(self, key_id: str) -> None:
        head = key_id_bytes(key_id)
        self._head: dict[str, Any] = {"head": head, "size": len(head)}
        self._found = True
        self._before: Any = _NEWEST
        self._took = 0.0
        self._due = float("-inf")

    async def found(self) -> bool:
        """As far as it is known. Takes up to half a second. Raises DatabaseDown."""
        began = monotonic()
        if began >= self._due:
            found = await self._look(began + _BUDGET)
            self._took += monotonic() - began
            if found is not None:
                self._conclude(found)
        return self._found

    async def _look(self, until: float) -> bool | None:
        """None when there is more to look through."""
        if self._before == _NEWEST and await _VERIFIER.row(waiting=_WAITING, **self._head):
            return True
        while monotonic() < until:
            rows = await _TOKENS.rows(before=self._before, most=_AT_ONCE, **self._head)
            if any(found for _, found in rows):
                return True
            if len(rows) < _AT_ONCE:
                return False
            self._before = rows[-1][0]
        return None

    def _conclude(self, found: bool) -> None:
        self._found = found
        self._due = monotonic() + max(_FRESH, _RESTING * self._took)
        self._before, self._took = _NEWEST, 0.0
