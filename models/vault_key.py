"""Records the vault keys in use. Each record contains a known text that was sealed with the key, so that a process can
detect that it lacks a key, or has a different key with the same id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

from tortoise import fields
from tortoise.models import Model

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

_RECORDS: Final = Statement('SELECT key_id, "check", created_at > after(:recent) AS recent FROM vault_key')
_RECORD: Final = Statement(
    """
    INSERT INTO vault_key (key_id, "check", created_at) VALUES (:key_id, :check, now())
    ON CONFLICT (key_id) DO UPDATE SET "check" = excluded."check", created_at = excluded.created_at
    RETURNING key_id"""
)


class VaultKey(Model):
    """One row per key id. `check` is the known text, sealed with the key of that id for this row and column."""

    key_id = fields.CharField(max_length=32, primary_key=True)
    check = fields.BinaryField()
    created_at = fields.DatetimeField()

    class Meta(Model.Meta):
        table = "vault_key"
        table_description = "keys that sealed something here"


class UnusableKeys(VaultError):
    """Keys are missing or wrong, so other processes might not be able to open what this one would seal."""


@dataclass(frozen=True, slots=True)
class _Record:
    key_id: str
    check: bytes
    recent: bool


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
        return await self._unusable(self._database, await _records(self._database))

    async def check_active(self) -> None:
        """Must be called before anything is sealed: ensures that the active key is recorded.

        A new key is recorded only by a process that can open all existing values. Usually no query is needed. Raises
        UnusableKeys and DatabaseDown.
        """
        if self._clock() < self._relied_on_until:
            return
        async with self._recording:
            if not self._opens_active(await _records(self._database)):
                async with self._database.exclusively(_LOCK) as transaction:
                    await self._record(transaction)
            self._relied_on_until = self._clock() + _RELIED_ON

    async def _record(self, transaction: Session) -> None:
        """Runs under the lock, so that each process sees the records of earlier ones."""
        records = await _records(transaction)
        if self._opens_active(records):
            return
        if unusable := await self._unusable(transaction, records):
            raise UnusableKeys(f"nothing is sealed here while these keys are missing or wrong: {unusable}")
        active = self.vault.active
        await _RECORD.row(transaction, key_id=active, check=self.vault.seal(_KNOWN, **_field(active)))

    async def _unusable(self, session: Session, records: Sequence[_Record]) -> list[str]:
        unopened = [record for record in records if not self._opens(record)]
        return sorted([one.key_id for one in unopened if one.recent or await self._is_used(session, one.key_id)])

    async def _is_used(self, session: Session, key_id: str) -> bool:
        return await self._uses.setdefault(key_id, KeyUse(key_id, self._clock)).found(session)

    def _opens_active(self, records: Sequence[_Record]) -> bool:
        return any(record.key_id == self.vault.active and self._opens(record) for record in records)

    def _opens(self, record: _Record) -> bool:
        try:
            return self.vault.open(record.check, **_field(record.key_id)) == _KNOWN
        except VaultError:
            return False


async def _records(session: Session) -> list[_Record]:
    return [_Record(*row) for row in await _RECORDS.rows(session, recent=-_RECENT)]


def _field(key_id: str) -> SealedField:
    return {"table": "vault_key", "row": (key_id,), "column": "check"}
