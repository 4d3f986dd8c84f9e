"""What a database itself says of its tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tests.databases import Database

Columns = set[tuple[Any, ...]]
Indexes = set[tuple[bool, tuple[str, ...]]]


@dataclass(frozen=True)
class Table:
    """Columns (name, type, not null, default; their order means nothing), the columns of the primary key, and the other
    indexes (unique, columns)."""

    columns: Columns
    key: tuple[str, ...]
    indexes: Indexes

    def with_key(self, key: tuple[str, ...]) -> Table:
        return replace(self, key=key)


async def tables(database: Database) -> dict[str, Table]:
    of = {"sqlite": (_SQLITE_TABLES, _sqlite_table), "postgres": (_POSTGRES_TABLES, _postgres_table)}
    names, table = of[database.engine]
    return {name: await table(database, name) for (name,) in await database.fetch(names)}


_SQLITE_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"


async def _sqlite_table(database: Database, name: str) -> Table:
    columns = await database.fetch('SELECT name, type, "notnull", dflt_value FROM pragma_table_info($1)', name)
    key = await database.fetch("SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk", name)
    indexes: Indexes = set()
    listed = "SELECT name, \"unique\" FROM pragma_index_list($1) WHERE origin <> 'pk'"
    for index, unique in await database.fetch(listed, name):
        parts = await database.fetch("SELECT name FROM pragma_index_info($1) ORDER BY seqno", index)
        indexes.add((bool(unique), tuple(part for (part,) in parts)))
    return Table({tuple(column) for column in columns}, tuple(part for (part,) in key), indexes)


_POSTGRES_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


async def _postgres_table(database: Database, name: str) -> Table:
    columns = await database.fetch(
        "SELECT attname::text, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid) "
        "FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum "
        "WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        name,
    )
    indexes = await database.fetch(
        "SELECT indisprimary, indisunique, array(SELECT pg_get_indexdef(indexrelid, part, true) "
        "FROM generate_series(1, indnkeyatts) AS part) FROM pg_index WHERE indrelid = $1::text::regclass",
        name,
    )
    key = next((tuple(parts) for primary, _, parts in indexes if primary), ())
    others = {(unique, tuple(parts)) for primary, unique, parts in indexes if not primary}
    return Table({tuple(column) for column in columns}, key, others)
