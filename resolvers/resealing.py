"""Counts what each vault key has sealed, and seals again with the active key what others sealed.

Resealing keeps no state: it searches the tables for what is left. So it can be ended at any moment and begun again, and
several processes share the work, each taking ranges of rows in an order of its own. A value is written only if the row
is still as it was read, so whoever writes it meanwhile, wins.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from models.database import Database
from models.sealed_tables import SEALED_TABLES, Key, SealedRow, SealedTable, read_key_ids, read_rows, replace_seals
from models.vault import MissingKey, SealedField, Vault, VaultError, key_id_of
from models.vault_key import VaultKeys

# Rows that are read at once.
_RANGE: Final = 1000
# Rows that are written at once.
_BATCH: Final = 50
# After each batch, for so many times as long as it took, nothing is written, so that requests are not held up.
_REST_FACTOR: Final = 1.0
# The tables are searched at most so often. Whatever is found again was written meanwhile.
_SEARCHES: Final = 5


@dataclass
class SealCounts:
    """How many values each key has sealed, by table and key id. The id is None for what is not a sealed value."""

    tables: dict[str, Counter[str | None]]

    def of(self, key_id: str | None) -> dict[str, int]:
        """By table, without those that have none."""
        return {table: counts[key_id] for table, counts in self.tables.items() if counts[key_id]}

    @property
    def key_ids(self) -> list[str]:
        return sorted({key_id for counts in self.tables.values() for key_id in counts if key_id is not None})


@dataclass(frozen=True)
class Damaged:
    """A value that doesn't open. The row is named by the first column of its primary key, which never names a user."""

    table: str
    row: str
    column: str

    def __str__(self) -> str:
        return f"{self.column} of {self.table} {self.row}"


@dataclass
class Resealed:
    """What was resealed: how many values of each table.

    What is left, because it doesn't open, or was sealed with a key that is missing here, how many values for each key.
    `late` has how many values each key sealed meanwhile, so that there is a process that still seals with it; `left`
    those of them that were found too late to be resealed.
    """

    values: Counter[str] = field(default_factory=Counter[str])
    damaged: list[Damaged] = field(default_factory=list[Damaged])
    missing: Counter[str] = field(default_factory=Counter[str])
    late: Counter[str] = field(default_factory=Counter[str])
    left: Counter[str] = field(default_factory=Counter[str])

    @property
    def complete(self) -> bool:
        """Whether the active key has sealed everything."""
        return not self.damaged and not self.missing and not self.left


@dataclass(frozen=True)
class Progress:
    """While `table` is searched, `done` of its rows are read and `left` is None. After that, `done` values in all are
    resealed, and about `left` are not."""

    table: str
    done: int
    left: int | None = None


Report = Callable[[Progress], object]


@dataclass(frozen=True)
class _Range:
    """Rows of a table between two keys, and how many values each inactive key has sealed there. The id of the key is
    empty for what is not a sealed value."""

    table: SealedTable
    after: Key
    until: Key
    found: Counter[str]


def _no_report(_: Progress) -> None:
    """Nobody looks."""


async def count_seals(database: Database, report: Report = _no_report) -> SealCounts:
    """Reads the head of each sealed value. Raises DatabaseDown."""
    counts: dict[str, Counter[str | None]] = {table.name: Counter() for table in SEALED_TABLES}
    for table in SEALED_TABLES:
        async for _, rows in _ranges(database, table, report):
            counts[table.name].update(key_id for _, key_ids in rows for key_id in key_ids)
    return SealCounts(counts)


async def reseal(database: Database, keys: VaultKeys, report: Report = _no_report) -> Resealed:
    """Seal with the active key of `keys` whatever other keys have sealed. What doesn't open is left alone.

    Raises DatabaseDown, and UnusableKeys if this process must not seal anything.
    """
    result = Resealed()
    failed = Counter[str]()
    for searches in range(_SEARCHES):
        await keys.check_active()
        ranges = await _search(database, keys.vault.active, report)
        result.left = sum((one.found for one in ranges), Counter[str]()) - failed
        if searches:
            result.late += result.left
        if not result.left:
            break
        work = _Resealing(database, keys, report, result)
        await work.run(ranges)
        failed = work.failed
    return result


class _Resealing:
    """Reseals the ranges that a search has found. `failed` counts what could not be opened, by key."""

    def __init__(self, database: Database, keys: VaultKeys, report: Report, result: Resealed) -> None:
        self._database, self._keys, self._report, self._result = database, keys, report, result
        self.failed = Counter[str]()

    async def run(self, ranges: list[_Range]) -> None:
        self._result.damaged.clear()
        self._result.missing.clear()
        left = sum(one.found.total() for one in ranges)
        # Another process that does the same has another order.
        random.shuffle(ranges)
        for one in ranges:
            left -= one.found.total()
            await self._run(one, left)

    async def _run(self, part: _Range, left: int) -> None:
        """`left` is what is left after this."""
        rows = await read_rows(self._database, part.table, part.after, part.until, _RANGE)
        changes = [(row, new) for row in rows if (new := self._resealed(part.table, row))]
        random.shuffle(changes)
        for first in range(0, len(changes), _BATCH):
            began = asyncio.get_running_loop().time()
            await self._keys.check_active()
            written = await replace_seals(self._database, part.table, changes[first : first + _BATCH])
            if written:
                self._result.values[part.table.name] += sum(len(new) for _, new in written)
            later = sum(len(new) for _, new in changes[first + _BATCH :])
            self._report(Progress(part.table.name, self._result.values.total(), left + later))
            await asyncio.sleep((asyncio.get_running_loop().time() - began) * _REST_FACTOR)

    def _resealed(self, table: SealedTable, row: SealedRow) -> dict[str, bytes]:
        """The columns that another key has sealed, sealed with the active one."""
        new: dict[str, bytes] = {}
        for column in table.columns:
            sealed: bytes | None = row.values[column]
            if sealed is None or key_id_of(sealed) == self._keys.vault.active:
                continue
            key_id = key_id_of(sealed) or ""
            try:
                new[column] = _seal_again(self._keys.vault, sealed, table.field_of(row.values, column))
            except MissingKey:
                self.failed[key_id] += 1
                self._result.missing[key_id] += 1
            except VaultError:
                self.failed[key_id] += 1
                self._result.damaged.append(Damaged(table.name, str(row.key[0]), column))
        return new


def _seal_again(vault: Vault, sealed: bytes, where: SealedField) -> bytes:
    """Raises VaultError, also if what it has sealed would not open again."""
    secret = vault.open(sealed, **where)
    new = vault.seal(secret, **where)
    if vault.open(new, **where) != secret:
        raise VaultError("a value was not resealed correctly")
    return new


async def _search(database: Database, active: str, report: Report) -> list[_Range]:
    """The ranges of rows in which there are values that other keys have sealed."""
    ranges: list[_Range] = []
    for table in SEALED_TABLES:
        async for after, rows in _ranges(database, table, report):
            ids = [key_id or "" for _, key_ids in rows for key_id in key_ids if key_id != active]
            if ids:
                ranges.append(_Range(table, after, rows[-1][0], Counter(ids)))
    return ranges


async def _ranges(
    database: Database, table: SealedTable, report: Report
) -> AsyncGenerator[tuple[Key, Sequence[tuple[Key, list[str | None]]]]]:
    """All rows of a table in ranges: the key before the first row, and of each row its key and the ids of its keys."""
    after, done = table.before_first, 0
    while rows := await read_key_ids(database, table, after, _RANGE):
        yield after, rows
        after, done = rows[-1][0], done + len(rows)
        report(Progress(table.name, done))
