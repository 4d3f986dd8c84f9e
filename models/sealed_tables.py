"""Where the sealed values are: SEALED_TABLES lists every column that has them, and how each row is read and resealed.

The records of the vault keys themselves (`models/vault_key.py`) are not listed: each is sealed with the key that it is
about, and goes with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from models.audit_key import audit_key_field
from models.authorization_request import StateBinding
from models.connection import token_field
from models.database import Database
from models.engine import Script, Step
from models.revocation import material_field
from models.statement import Row, Statement
from models.vault import HEAD, SealedField, key_id_of

Key = tuple[Any, ...]
"""The values of a row's primary key."""

# A value of each type that is below all others.
_FIRST: Final[Mapping[str, Any]] = {"uuid": str(UUID(int=0)), "text": "", "int": -1}
# Rows that may be added to a range after its end was chosen, before the rest has to wait for the next search.
_ADDED: Final = 500


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A row as it was read: all columns of its table that are used here, by name."""

    key: Key
    values: Mapping[str, Any]


Change = tuple[SealedRow, Mapping[str, bytes]]
"""A row, and the columns to write."""


@dataclass(frozen=True)
class SealedTable:
    """`columns` are sealed, and null where there is nothing. `key` has the columns of the primary key, each with its
    type, and `bound` the others to which the sealed values are bound. `field_of` returns the field of a column in the
    row with these values."""

    name: str
    columns: tuple[str, ...]
    key: Mapping[str, str]
    bound: Mapping[str, str]
    field_of: Callable[[Mapping[str, Any], str], SealedField]
    heads: Statement = field(init=False)
    rows: Statement = field(init=False)
    replace: Statement = field(init=False)
    replace_many: Script = field(init=False)
    """Of several rows, on PostgreSQL. Rows that are locked are skipped, so that two processes can't wait for each
    other."""

    def __post_init__(self) -> None:
        key = ", ".join(self.key)
        parts = {
            "table": self.name,
            "key": key,
            "after": f"({key}) > ({', '.join(f':after_{name}' for name in self.key)})",
            "until": f"({key}) <= ({', '.join(f':until_{name}' for name in self.key)})",
            "heads": ", ".join(f"substr({name}, 1, {HEAD}) AS {name}" for name in self.columns),
            "all": ", ".join((*self.key, *self.bound, *self.columns)),
            "new": ", ".join(f"{name} = :new_{name}" for name in self.columns),
            "same": " AND ".join(f"{name} = :{name}" for name in (*self.key, *self.bound)),
            "old": " AND ".join(f"coalesce({name}, :empty) = :old_{name}" for name in self.columns),
        }
        made = {
            "heads": Statement("SELECT {key}, {heads} FROM {table} WHERE {after} ORDER BY {key} LIMIT :most", **parts),
            "rows": Statement(
                "SELECT {all} FROM {table} WHERE {after} AND {until} ORDER BY {key} LIMIT :most", **parts
            ),
            # Writers that know nothing of this compare the version, so it stays.
            "replace": Statement("UPDATE {table} SET {new} WHERE {same} AND {old} RETURNING {key}", **parts),
            "replace_many": self._replace_many(),
        }
        for name, statement in made.items():
            object.__setattr__(self, name, statement)

    def _replace_many(self) -> Script:
        """The parameters are lists of the values of each row."""
        same = (*self.key, *self.bound)
        types = {
            **self.key,
            **self.bound,
            **{f"{kind}_{name}": "bytea" for kind in ("old", "new") for name in self.columns},
        }
        text = """
WITH asked AS (SELECT * FROM unnest({arrays}) AS asked ({names})),
free AS (SELECT {key} FROM {table} JOIN asked USING ({key}) FOR UPDATE OF {table} SKIP LOCKED)
UPDATE {table} AS t SET {new} FROM asked JOIN free USING ({key}) WHERE {same} AND {old} RETURNING {returned}""".format(  # noqa: S608 - all of it is ours
            table=self.name,
            key=", ".join(self.key),
            arrays=", ".join(f"${number}::{kind}[]" for number, kind in enumerate(types.values(), 1)),
            names=", ".join(types),
            new=", ".join(f"{name} = asked.new_{name}" for name in self.columns),
            same=" AND ".join(f"t.{name} = asked.{name}" for name in same),
            old=" AND ".join(f"coalesce(t.{name}, ''::bytea) = asked.old_{name}" for name in self.columns),
            returned=", ".join(f"t.{name}" for name in self.key),
        )
        return Script((Step(text, tuple(types)),), writes=True)

    @property
    def before_first(self) -> Key:
        """Below the primary keys of all rows."""
        return tuple(_FIRST[kind] for kind in self.key.values())

    def values_of(self, change: Change) -> dict[str, Any]:
        """The parameters of `replace`."""
        row, new = change
        old = {f"old_{name}": row.values[name] or b"" for name in self.columns}
        written = {f"new_{name}": new.get(name, row.values[name]) for name in self.columns}
        return {name: row.values[name] for name in (*self.key, *self.bound)} | old | written


SEALED_TABLES: Final = (
    SealedTable(
        "connection",
        ("access_token", "refresh_token"),
        {"id": "uuid"},
        {"user_id": "text", "provider": "text", "site": "text", "version": "int"},
        lambda row, column: token_field(row["user_id"], row["provider"], row["version"], column, row["site"]),
    ),
    SealedTable(
        "authorization_request",
        ("verifier",),
        {"state_hash": "text", "user_id": "text"},
        {"provider": "text", "redirect_uri": "text", "registration": "text", "site": "text"},
        lambda row, _: StateBinding(**{name: row[name] for name in StateBinding.__struct_fields__}).verifier_field,
    ),
    SealedTable(
        "revocation",
        ("material",),
        {"id": "uuid"},
        {"provider": "text", "site": "text"},
        lambda row, _: material_field(str(row["id"]), row["provider"], row["site"]),
    ),
    SealedTable("audit_key", ("sealed",), {"number": "int"}, {}, lambda row, _: audit_key_field(row["number"])),
)


async def read_key_ids(
    database: Database, table: SealedTable, after: Key, most: int
) -> list[tuple[Key, list[str | None]]]:
    """Of the next rows after a key, at most so many: their keys, and the ids of the vault keys with which their values
    are sealed, None for what is not a sealed value. Raises DatabaseDown."""
    rows = await table.heads.rows(database, most=most, **_prefixed("after", table, after))
    size = len(table.key)
    return [(tuple(row[:size]), [key_id_of(head) for head in row[size:] if head is not None]) for row in rows]


async def read_rows(database: Database, table: SealedTable, after: Key, until: Key, most: int) -> list[SealedRow]:
    """The rows after the key `after` up to the key `until`, of which there were at most `most`. Raises DatabaseDown."""
    ends = _prefixed("after", table, after) | _prefixed("until", table, until)
    rows = await table.rows.rows(database, most=most + _ADDED, **ends)
    return [_row(table, row) for row in rows]


async def replace_seals(database: Database, table: SealedTable, changes: Sequence[Change]) -> list[Change]:
    """Write the new values of the rows that still have the same sealed values, bound to the same. Returns these. Raises
    DatabaseDown."""
    written: set[Key] = set()
    if database.dialect == "postgres":
        values = [table.values_of(change) for change in changes]
        lists = {name: [one[name] for one in values] for name in table.replace_many.steps[0].names}
        written.update(tuple(row) for row in await database.run(table.replace_many, lists))
    # On SQLite, statements that wait at the same time share a COMMIT.
    left = [change for change in changes if change[0].key not in written]
    tried = await asyncio.gather(*(table.replace.rows(database, empty=b"", **table.values_of(one)) for one in left))
    written.update(change[0].key for change, rows in zip(left, tried, strict=True) if rows)
    return [change for change in changes if change[0].key in written]


def _row(table: SealedTable, row: Row) -> SealedRow:
    names = (*table.key, *table.bound, *table.columns)
    return SealedRow(tuple(row[: len(table.key)]), dict(zip(names, row, strict=True)))


def _prefixed(prefix: str, table: SealedTable, key: Sequence[Any]) -> dict[str, Any]:
    return {f"{prefix}_{name}": value for name, value in zip(table.key, key, strict=True)}
