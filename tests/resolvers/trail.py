"""An audit trail in memory, for the tests of repeated events."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Final

from models.audit_event import AuditEntry
from models.database import DatabaseDown

EVERY: Final = 60.0
"""Seconds between two rows of one kind."""


class Trail:
    """The rows that were written. While it is `away`, every write fails, and while it is `slow`, none ends."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, int]] = []
        self.away = False
        self.slow = asyncio.Event()
        self.slow.set()
        self.writing = self.most_at_once = 0

    async def write(self, entry: AuditEntry, count: int) -> None:
        self.writing += 1
        self.most_at_once = max(self.most_at_once, self.writing)
        try:
            await self.slow.wait()
            await asyncio.sleep(0)
        finally:
            self.writing -= 1
        if self.away:
            raise DatabaseDown("away")
        self.rows.append((entry.subject, count))

    @property
    def counts(self) -> Counter[Any]:
        found: Counter[Any] = Counter()
        for subject, count in self.rows:
            found[subject] += count
        return found


def event(subject: Any = "s", actor: str = "a") -> AuditEntry:
    return AuditEntry(
        actor=actor, user=None, client_id=None, subject=subject, action="", provider=None, outcome="", request_id="r"
    )
