"""Drops a vault key: removes its record, once nothing is sealed with it and no process will seal with it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from models.database import Database
from models.vault_key import KeyRecord, VaultKeys, mark, read_records, remove, unmark
from resolvers.resealing import Progress, count_seals

# Seconds between two looks at the record while other processes may object.
_INTERVAL: Final = 1.0
_ANOTHER_FIRST: Final = (
    "put another key in front of it in the TENDON_VAULT_KEYS of all processes, restart those, run `tendon keys reseal`,"
    " and try again"
)


class NotDropped(Exception):
    """The key was not dropped. The message says why, and what to do."""


def _no_report(_: float) -> None:
    """Nobody looks."""


def _nothing(_: Progress) -> None:
    """Nobody looks."""


async def drop_key(
    database: Database,
    keys: VaultKeys,
    key_id: str,
    on_wait: Callable[[float], object] = _no_report,
    on_progress: Callable[[Progress], object] = _nothing,
) -> bool:
    """Whether there was a record, which is removed now. `on_wait` is called once a second with the seconds for which
    other processes may still object, by sealing with the key.

    Raises NotDropped, DatabaseDown, and UnusableKeys if this process lacks other keys.
    """
    if key_id == keys.vault.active:
        raise NotDropped(f"{key_id} is the active key here: put another key in front of it in TENDON_VAULT_KEYS")
    await keys.check_active()
    record = await _find(database, key_id)
    await _check_unused(database, key_id, record, "run `tendon keys reseal`", on_progress)
    if record is None:
        if key_id not in keys.vault.key_ids:
            raise NotDropped(f"there is no key {key_id}, neither in the database nor in TENDON_VAULT_KEYS")
        return False
    await mark(database, record)
    record = await _settled(database, key_id, on_wait)
    if record is None:
        # Somebody else has dropped it at the same time.
        return True
    await _check_unused(database, key_id, record, _ANOTHER_FIRST, on_progress)
    if not await remove(database, record) and await _find(database, key_id):
        raise _objection(key_id)
    return True


async def _settled(database: Database, key_id: str, on_wait: Callable[[float], object]) -> KeyRecord | None:
    """The marked record, as soon as nobody can object any more. None if it is gone."""
    while record := await _find(database, key_id):
        if not record.marked_at:
            raise _objection(key_id)
        if not record.settles_in:
            return record
        on_wait(record.settles_in)
        await asyncio.sleep(min(record.settles_in, _INTERVAL))
    return None


async def _check_unused(
    database: Database, key_id: str, record: KeyRecord | None, remedy: str, report: Callable[[Progress], object]
) -> None:
    counts = (await count_seals(database, report)).of(key_id)
    if counts:
        if record:
            await unmark(database, record)
        values = ", ".join(f"{table}: {count:,}" for table, count in counts.items())
        raise NotDropped(f"values are encrypted under {key_id} ({values}): {remedy}")


def _objection(key_id: str) -> NotDropped:
    return NotDropped(f"a process still encrypts under {key_id}: {_ANOTHER_FIRST}")


async def _find(database: Database, key_id: str) -> KeyRecord | None:
    return next((record for record in await read_records(database) if record.key_id == key_id), None)
