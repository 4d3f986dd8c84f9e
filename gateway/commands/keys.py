"""`tendon keys`: lists the vault keys, encrypts everything under the active key, and drops a key."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, Final

from gateway import logs
from gateway.database_check import check_database, unusable
from gateway.key_progress import KeyProgress
from gateway.output import print_result
from gateway.settings import Settings, read_settings
from gateway.settings.vault_keys import open_vault
from models.database import Database, DatabaseDown, Limits, open_database
from models.vault import Vault, VaultError
from models.vault_key import KeyRecord, VaultKeys, read_records
from resolvers.key_dropping import NotDropped, drop_key
from resolvers.resealing import Resealed, SealCounts, count_seals, reseal

_NEEDS_ATTENTION: Final = 1
# The statements that write a batch share these connections.
_CONNECTIONS: Final = 4
# Of so many values that can't be decrypted, the rows are named.
_NAMED: Final = 100

_GOES_ON: Final = "Run the command again then: it goes on where this one ended"

Action = Callable[[Database, VaultKeys, KeyProgress], Any]


def run(*, action: str, as_json: bool = False, key_id: str = "") -> None:
    """Exits with status 1 when something is left to do."""
    settings = read_settings()
    logs.set_up(settings.log_level)
    vault = open_vault(settings)
    match action:
        case "list":
            document = _run(settings, vault, _list, "Run the command again then")
            attention: Sequence[str] = document["attention"]
            print_result(json.dumps(document, indent=2) if as_json else _text(_table(document["keys"]), attention))
        case "reseal":
            result: Resealed = _run(settings, vault, _reseal)
            attention = list(_left_to_do(result))
            print_result(_text(_done(result, vault.active), attention))
        case _:
            attention = []
            found = _run(settings, vault, partial(_drop, key_id))
            done = f"dropped {key_id}" if found else f"{key_id} has no record in the database"
            print_result(f"{done}: remove it from TENDON_VAULT_KEYS" if key_id in vault.key_ids else done)
    if attention:
        sys.exit(_NEEDS_ATTENTION)


def _text(result: str, attention: Sequence[str]) -> str:
    lines = ["", "needs attention:", *(f"- {sentence}" for sentence in attention)] if attention else []
    return "\n".join([result, *lines])


def _run(settings: Settings, vault: Vault, action: Action, again: str = _GOES_ON) -> Any:
    """Exits with status 1, and a message, if the database fails or the keys don't permit the action."""
    asyncio.run(check_database(settings.database_url, settings.database_limits))

    async def act() -> Any:
        limits = Limits(min(_CONNECTIONS, settings.database_pool), settings.database_timeout)
        async with open_database(settings.database_url, limits) as database:
            with closing(KeyProgress(sys.stderr)) as progress:
                return await action(database, VaultKeys(vault, database), progress)

    try:
        return asyncio.run(act())
    except DatabaseDown as fault:
        problem = f"{unusable(fault.reason, settings.database_url)}. {again}"
    except (NotDropped, VaultError) as fault:
        problem = str(fault)
    print(problem, file=sys.stderr)  # noqa: T201 - for the terminal
    sys.exit(_NEEDS_ATTENTION)


async def _list(database: Database, keys: VaultKeys, progress: KeyProgress) -> dict[str, Any]:
    counts = await count_seals(database, progress.report)
    return _document(keys, await read_records(database), counts)


def _document(keys: VaultKeys, records: Sequence[KeyRecord], counts: SealCounts) -> dict[str, Any]:
    vault = keys.vault
    recorded = {record.key_id: record for record in records}
    ids = [*vault.key_ids, *sorted({*recorded, *counts.key_ids} - {*vault.key_ids})]
    listed = [_entry(keys, key_id, recorded.get(key_id), counts.of(key_id)) for key_id in ids]
    lost = [one for one in listed if one["values"] and not one["here"]]
    attention = [f"{one['id']} is missing here, or is another key: put it into TENDON_VAULT_KEYS" for one in lost]
    if unreadable := counts.of(None):
        attention.append(f"these are no encrypted values, so somebody has changed them: {_tables(unreadable)}")
    return {
        "ok": not attention,
        "attention": attention,
        "active": vault.active,
        "keys": listed,
        "unreadable": unreadable,
    }


async def _reseal(database: Database, keys: VaultKeys, progress: KeyProgress) -> Resealed:
    return await reseal(database, keys, progress.report)


async def _drop(key_id: str, database: Database, keys: VaultKeys, progress: KeyProgress) -> bool:
    return await drop_key(database, keys, key_id, progress.wait, progress.report)


def _entry(keys: VaultKeys, key_id: str, record: KeyRecord | None, values: Mapping[str, int]) -> dict[str, Any]:
    """What `--json` prints of a key. `here` says that this process has it; `recorded_at` is null for a key that has
    encrypted nothing yet."""
    here = key_id in keys.vault.key_ids and (record is None or keys.opens(record))
    return {
        "id": key_id,
        "active": key_id == keys.vault.active,
        "here": here,
        "recorded_at": record.created_at.isoformat() if record else None,
        "being_dropped": bool(record and record.marked_at),
        "values": dict(values),
    }


def _table(keys: Sequence[Mapping[str, Any]]) -> str:
    rows = [("key", "", "encrypted values"), *((one["id"], _place(one), _tables(one["values"])) for one in keys)]
    width = max(len(key_id) for key_id, _, _ in rows)
    return "\n".join(f"{key_id:{width}}  {place:13}  {values}" for key_id, place, values in rows)


def _place(entry: Mapping[str, Any]) -> str:
    if not entry["here"]:
        return "missing here"
    if entry["active"]:
        return "active"
    return "being dropped" if entry["being_dropped"] else "decrypts only"


def _tables(values: Mapping[str, int]) -> str:
    return ", ".join(f"{table}: {count:,}" for table, count in values.items()) or "none"


def _done(result: Resealed, active: str) -> str:
    if not result.values:
        return f"nothing was left to encrypt under {active}"
    done = f"encrypted under {active}: {_tables(result.values)}"
    return f"{done}. Nothing is encrypted under other keys any more" if result.complete else done


def _left_to_do(result: Resealed) -> Iterator[str]:
    for key_id, count in result.missing.items():
        yield f"values that can't be decrypted because {key_id} is missing here: {count:,}"
    for damaged in result.damaged[:_NAMED]:
        yield f"{damaged} was changed or moved, and can't be decrypted: the user connects again, or remove it"
    if len(result.damaged) > _NAMED:
        yield f"and {len(result.damaged) - _NAMED:,} more that can't be decrypted"
    for key_id, count in result.late.items():
        yield (
            f"{count:,} values were encrypted under {key_id} meanwhile: a process has it first in its"
            " TENDON_VAULT_KEYS. Change that, restart it, and run this command again"
        )
