"""Records the vault keys in use. Each record contains a known text that was sealed with the key, so that a process can
detect that it lacks a key, or has a different key with the same id.

Before a record is removed (`tendon keys drop`), it is marked, and a process whose active key it is objects: it records
the key again, without the mark. After SETTLED seconds without an objection, nothing more is written that was sealed
with that key.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from time import monotonic
from typing import Final

import msgspec

from models.database import Database, Session
from models.key_use import KeyUse
from models.statement import Statement
from models.vault import SealedField, Vault, VaultError

_KNOWN: Final = "tendon"
# The key of PostgreSQL's advisory lock: "vault" in ASCII.
# Where advisory locks have no effect, two processes with different keys may both record theirs. Both are then unready.
_LOCK: Final = int.from_bytes(b"vault")
# Seconds for which a newly recorded key counts as used, because the first value that is sealed with it is written only
# later, at the latest after an exchange.
_RECENT: Final = 120.0
# Seconds for which a process relies on the record of its active key before it checks the record again.
_RELIED_ON: Final = 60.0
SETTLED: Final = _RELIED_ON + _RECENT
"""Seconds after which a marked record has been seen by each process that seals with the key, and the last values that
were sealed before are written."""
# A mark stands before the sealed text, followed by the time at which it was made. Sealed values begin differently.
_MARK: Final = b"drop "
_MARKED: Final = re.compile(rb"drop ([0-9T:.-]{19,26}\+00:00) ")

_RECORDS: Final = Statement(
    'SELECT key_id, "check", created_at, created_at > after(:recent) AS recent, now() AS read_at FROM vault_key'
)
_RECORD: Final = Statement(
    """
    INSERT INTO vault_key (key_id, "check", created_at) VALUES (:key_id, :check, now())
    ON CONFLICT (key_id) DO UPDATE SET "check" = excluded."check", created_at = excluded.created_at
    RETURNING key_id"""
)
_CHANGE: Final = Statement(
    'UPDATE vault_key SET "check" = :new WHERE key_id = :key_id AND "check" = :check RETURNING key_id'
)
_REMOVE: Final = Statement('DELETE FROM vault_key WHERE key_id = :key_id AND "check" = :check RETURNING key_id')


class UnusableKeys(VaultError):
    """Keys are missing or wrong, so other processes might not be able to open what this one would seal."""


class KeyRecord(msgspec.Struct, frozen=True):
    """The record of a key, as it was at `read_at`. `recent` says that the first value may still be on its way."""

    key_id: str
    check: bytes
    created_at: datetime
    recent: bool
    read_at: datetime

    @property
    def sealed(self) -> bytes:
        """The known text, sealed with the key."""
        return self.check.split(b" ", 2)[2] if self.marked_at else self.check

    @property
    def marked_at(self) -> datetime | None:
        """When it was marked to be removed, by the database's clock. None also for what is no mark, which somebody has
        written: no key opens such a record."""
        found = _MARKED.match(self.check)
        with suppress(ValueError):
            return datetime.fromisoformat(found[1].decode()) if found else None
        return None

    @property
    def settles_in(self) -> float:
        """Seconds until its removal can be concluded. It must be marked."""
        since = (self.read_at - (self.marked_at or self.read_at)).total_seconds()
        return max(SETTLED - since, 0)


class VaultKeys:
    """Compares the keys of this process's vault with those recorded in the database.

    A missing key matters only while existing rows are sealed with it. So a process with wrong keys that sealed nothing,
    or whose rows were deleted, doesn't block other processes. `clock` gives seconds, as `monotonic` does.
    """

    def __init__(self, vault: Vault, database: Database, *, clock: Callable[[], float] = monotonic) -> None:
        self.vault = vault
        self._database = database
        self._clock = clock
        self._relied_on_until = float("-inf")
        self._recording = asyncio.Lock()
        self._uses: dict[str, KeyUse] = {}

    async def unusable(self) -> list[str]:
        """The ids of keys that existing rows are sealed with, and that this process lacks or has a different key for.

        Raises DatabaseDown.
        """
        return await self._unusable(self._database, await read_records(self._database))

    async def watch(self) -> list[str]:
        """As `unusable`, for a process that seals: it also objects if the record of its active key is marked. Raises
        DatabaseDown."""
        records = await read_records(self._database)
        unusable = await self._unusable(self._database, records)
        if any(record.key_id == self.vault.active and record.marked_at for record in records) and not unusable:
            self._relied_on_until = float("-inf")
            await self.check_active()
        return unusable

    @property
    def is_checked(self) -> bool:
        """Whether `check_active` has nothing to do."""
        return self._clock() < self._relied_on_until

    async def check_active(self) -> None:
        """Must be called before anything is sealed: ensures that the active key is recorded.

        A new key is recorded only by a process that can open all existing values. Usually no query is needed. Raises
        UnusableKeys and DatabaseDown.
        """
        if self.is_checked:
            return
        async with self._recording:
            if not self._opens_active(await read_records(self._database)):
                async with self._database.exclusively(_LOCK) as transaction:
                    await self._record(transaction)
            self._relied_on_until = self._clock() + _RELIED_ON

    async def _record(self, transaction: Session) -> None:
        """Runs under the lock, so that each process sees the records of earlier ones."""
        records = await read_records(transaction)
        if self._opens_active(records):
            return
        if unusable := await self._unusable(transaction, records):
            raise UnusableKeys(
                f"nothing can be encrypted while these keys are missing here or differ ({', '.join(unusable)}): put"
                " them into TENDON_VAULT_KEYS"
            )
        active = self.vault.active
        await _RECORD.row(transaction, key_id=active, check=self.vault.seal(_KNOWN, **_field(active)))

    async def _unusable(self, session: Session, records: Sequence[KeyRecord]) -> list[str]:
        unopened = [record for record in records if not self.opens(record)]
        return sorted([one.key_id for one in unopened if one.recent or await self._is_used(session, one.key_id)])

    async def _is_used(self, session: Session, key_id: str) -> bool:
        return await self._uses.setdefault(key_id, KeyUse(key_id, self._clock)).found(session)

    def _opens_active(self, records: Sequence[KeyRecord]) -> bool:
        """Whether the active key is recorded, and nobody is about to remove it."""
        return any(one.key_id == self.vault.active and not one.marked_at and self.opens(one) for one in records)

    def opens(self, record: KeyRecord) -> bool:
        """Whether this process has the key that was recorded."""
        try:
            return self.vault.open(record.sealed, **_field(record.key_id)) == _KNOWN
        except VaultError:
            return False


async def read_records(session: Session) -> list[KeyRecord]:
    """Raises DatabaseDown."""
    return [KeyRecord(*row) for row in await _RECORDS.rows(session, recent=-_RECENT)]


async def mark(session: Session, record: KeyRecord) -> None:
    """Mark a record, if it is still as it was read and not marked yet. Raises DatabaseDown."""
    if not record.marked_at:
        new = _MARK + record.read_at.isoformat().encode() + b" " + record.check
        await _CHANGE.rows(session, key_id=record.key_id, check=record.check, new=new)


async def unmark(session: Session, record: KeyRecord) -> None:
    """Take the mark of a record back, if it is still as it was read. Raises DatabaseDown."""
    await _CHANGE.rows(session, key_id=record.key_id, check=record.check, new=record.sealed)


async def remove(session: Session, record: KeyRecord) -> bool:
    """Remove a record, if it is still as it was read. Returns whether it was. Raises DatabaseDown."""
    return bool(await _REMOVE.rows(session, key_id=record.key_id, check=record.check))


def _field(key_id: str) -> SealedField:
    return {"table": "vault_key", "row": (key_id,), "column": "check"}
