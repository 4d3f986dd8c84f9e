"""The vault keys that sealed something here, each recorded with a known text sealed under it: what tells a process that
it lacks a key, or has another one under the same id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, TypedDict

from tortoise import fields
from tortoise.models import Model

from models.database import transaction
from models.key_use import KeyUse
from models.statement import Statement
from models.vault import Vault, VaultError

_KNOWN: Final = "tendon"
# PostgreSQL's number of our lock: "vault" in ASCII.
_LOCK: Final = int.from_bytes(b"vault")
# Seconds that a key which was just recorded counts as used: what it sealed is written a moment later, after an exchange
# at most.
_RECENT: Final = 120.0
# Seconds that a process relies on the record of its active key without looking again.
_RELIED_ON: Final = 60.0

_RECORDS: Final = Statement('SELECT key_id, "check", created_at > after(:recent) AS recent FROM vault_key')
_RECORD: Final = Statement(
    """
    INSERT INTO vault_key (key_id, "check", created_at) VALUES (:key_id, :check, now())
    ON CONFLICT (key_id) DO UPDATE SET "check" = excluded."check", created_at = excluded.created_at
    RETURNING key_id"""
)


class VaultKey(Model):
    """One row per key id. `check` is the known text, sealed under the key of that id for this row and column."""

    key_id = fields.CharField(max_length=32, primary_key=True)
    check = fields.BinaryField()
    created_at = fields.DatetimeField()

    class Meta(Model.Meta):
        table = "vault_key"
        table_description = "keys that sealed something here"


class UnusableKeys(VaultError):
    """Sealing now could make values that other processes can't open."""


@dataclass(frozen=True, slots=True)
class _Record:
    key_id: str
    check: bytes
    recent: bool


class _Place(TypedDict):
    table: str
    row: tuple[str, ...]
    column: str


class VaultKeys:
    """The keys of this process's vault beside those that are recorded in the database.

    A record alone harms nobody: a key that this process lacks matters only while living rows are sealed under it. So a
    process with wrong keys that sealed nothing, or whose rows are gone, leaves nothing behind that others stumble over.
    """

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self._relied_on_until = float("-inf")
        self._recording = asyncio.Lock()
        self._uses: dict[str, KeyUse] = {}

    async def unusable(self) -> list[str]:
        """The ids of keys that living rows are sealed under, and that are missing here or are other keys.

        Raises DatabaseDown.
        """
        return await self._unusable(await _records())

    async def check_active(self) -> None:
        """To be called before anything is sealed: the active key is recorded from here on.

        A key that is new here is recorded only by a process that can open all the rest. Nearly always this asks nobody.
        Raises UnusableKeys and DatabaseDown.
        """
        if monotonic() < self._relied_on_until:
            return
        async with self._recording:
            if not self._opens_active(await _records()):
                await self._record()
            self._relied_on_until = monotonic() + _RELIED_ON

    async def _record(self) -> None:
        """Of several processes that do it at once, each sees what the one before has recorded."""
        async with _alone():
            records = await _records()
            if self._opens_active(records):
                return
            if unusable := await self._unusable(records):
                raise UnusableKeys(f"nothing is sealed here while these keys are missing or wrong: {unusable}")
            active = self.vault.active
            await _RECORD.row(key_id=active, check=self.vault.seal(_KNOWN, **_place(active)))

    async def _unusable(self, records: Sequence[_Record]) -> list[str]:
        unopened = [record for record in records if not self._opens(record)]
        return sorted([record.key_id for record in unopened if record.recent or await self._is_used(record.key_id)])

    async def _is_used(self, key_id: str) -> bool:
        return await self._uses.setdefault(key_id, KeyUse(key_id)).found()

    def _opens_active(self, records: Sequence[_Record]) -> bool:
        return any(record.key_id == self.vault.active and self._opens(record) for record in records)

    def _opens(self, record: _Record) -> bool:
        try:
            return self.vault.open(record.check, **_place(record.key_id)) == _KNOWN
        except VaultError:
            return False


async def _records() -> list[_Record]:
    return [_Record(*row) for row in await _RECORDS.rows(recent=-_RECENT)]


@asynccontextmanager
async def _alone() -> AsyncGenerator[None]:
    """SQLite has one writer at a time anyway."""
    async with transaction() as opened:
        client: Any = opened
        if client.capabilities.dialect == "postgres":
            await client.execute_query("SELECT pg_advisory_xact_lock($1)", [_LOCK])
        yield


def _place(key_id: str) -> _Place:
    return {"table": "vault_key", "row": (key_id,), "column": "check"}
