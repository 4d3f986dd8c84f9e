"""What a worker logs about itself: once a minute that it is alive, when its database is away and back, and which keys
it lacks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

from models.database import Database, DatabaseDown
from models.vault_key import VaultKeys
from worker.units import Units

log = structlog.get_logger("tendon")

# Seconds between two reports that the worker is alive, that its database is still away, or that keys are missing.
REPORT: Final = 60.0


class Reports:
    """`clock` gives seconds, as `time.monotonic` does."""

    def __init__(
        self, database: Database, keys: VaultKeys, units: Units, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._keys = keys
        self._units = units
        self._clock = clock
        self._alive_due = clock() + REPORT
        self._keys_due = clock()
        self._away: _Outage | None = None

    def alive(self) -> bool:
        """Log that the worker is alive, if a minute has passed since the last time. Returns whether it was logged."""
        if self._clock() < self._alive_due:
            return False
        self._alive_due = self._clock() + REPORT
        log.info("work.alive", running=self._units.running, ended=self._units.ended, failed=self._units.failed)
        return True

    async def database_answers(self) -> bool:
        """Ask the database for an answer. Logs that it is away, at once and then once a minute, and that it is back."""
        try:
            await self._database.ping()
        except DatabaseDown as fault:
            self._note_away(fault.reason)
            return False
        if self._away is not None:
            log.info("work.database.back", seconds=round(self._clock() - self._away.began))
            self._away = None
        return True

    async def check_keys(self) -> None:
        """Log which vault keys this worker lacks, or has different ones for, at the start and then once a minute: it
        leaves the work that needs them to other workers. Raises DatabaseDown."""
        if self._clock() < self._keys_due:
            return
        unusable = await self._keys.unusable()
        self._keys_due = self._clock() + REPORT
        if unusable:
            log.error("vault.failed", fault=f"these keys are missing here or differ: {', '.join(unusable)}")

    def _note_away(self, reason: str) -> None:
        now = self._clock()
        if self._away is None:
            self._away = _Outage(now)
        if self._away.is_news(reason, now):
            log.warning("work.database.away", reason=reason, seconds=round(now - self._away.began))


class _Outage:
    """Since when the database has been away, and what was logged of that."""

    def __init__(self, began: float) -> None:
        self.began = began
        self._reason = ""
        self._logged_at = began

    def is_news(self, reason: str, now: float) -> bool:
        if reason == self._reason and now - self._logged_at < REPORT:
            return False
        self._reason, self._logged_at = reason, now
        return True
