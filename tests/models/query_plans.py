"""How an engine would run a statement, and what of it costs the more the more rows there are."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import asyncpg

from tests.databases import Database

SMALL = {"audit_export", "audit_key", "vault_key", "tortoise_migrations"}
"""The tables that don't grow with use. Any other has to be reached by an index."""

# So many rows may one statement touch without a LIMIT: the connections of one user, say.
_FEW = 100
# The server may take another plan after five uses of a prepared statement, one that holds for any values.
_USES = 7
_SAMPLES = {
    **dict.fromkeys(("text", "character varying"), "'x'"),
    **dict.fromkeys(("integer", "bigint", "smallint"), "20"),
    **dict.fromkeys(("double precision", "numeric"), "600"),
    "boolean": "true",
    "bytea": "''",
    "json": "'[]'",
    "jsonb": "'[]'",
    "timestamp with time zone": "now()",
    # In the middle: of a few rows at an end a server rather reads all and sorts them.
    "uuid": "'80000000-0000-4000-8000-000000000000'",
}

Plan = dict[str, Any]


class Planner(ABC):
    """An engine with its rows and what it knows of them."""

    def __init__(self, database: Database) -> None:
        self.engine = database.engine
        self._database = database

    @abstractmethod
    async def analyze(self) -> None:
        """Let it count what is in the tables."""

    @abstractmethod
    async def faults(self, statement: str) -> set[str]:
        """What in a statement grows with the tables, in the engine's own words."""


class SqlitePlanner(Planner):
    async def analyze(self) -> None:
        await self._database.fetch("ANALYZE")

    async def faults(self, statement: str) -> set[str]:
        values = [None] * statement.count("?")
        rows = await self._database.fetch(f"EXPLAIN QUERY PLAN {statement}", *values)
        steps = [str(row[3]) for row in rows]
        bounded = " LIMIT " in statement and not any("TEMP B-TREE" in step for step in steps)
        # What has a name and a limit has its own steps.
        named = re.findall(r"(\w+) AS MATERIALIZED|LIMIT \?\) AS (\w+)", statement)
        small = SMALL.union(*named)
        return {step for step in steps if not _sqlite_good(step, small, bounded=bounded)}


def _sqlite_good(step: str, small: set[str], *, bounded: bool) -> bool:
    """A full scan, or the search of a range that nothing ends, is not."""
    verb, _, rest = step.partition(" ")
    if verb == "SCAN":
        return rest == "CONSTANT ROW" or rest.split()[0] in small
    if verb != "SEARCH":
        return True
    searched = re.search(r"\((.*)\)$", rest)
    if searched is None or "AUTOMATIC" in rest or "ANY(" in rest:
        return False
    return "=?" in searched[1] or bounded


class PostgresPlanner(Planner):
    async def analyze(self) -> None:
        await self._database.fetch("VACUUM ANALYZE")

    async def faults(self, statement: str) -> set[str]:
        session = await asyncpg.connect(self._database.url)
        try:
            await session.execute(f"PREPARE asked AS {statement}")
            values = await _samples(session)
            first = await _first_columns(session)
            asked = f"EXPLAIN (FORMAT JSON) EXECUTE asked{values}"
            plans = [json.loads(await session.fetchval(asked))[0]["Plan"] for _ in range(_USES)]
        finally:
            await session.close()
        return {fault for plan in plans for fault in _postgres_faults(plan, first)}


async def _samples(session: Any) -> str:
    types = await session.fetchval("SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'asked'")
    return f"({', '.join(_SAMPLES[kind] for kind in types)})" if types else ""


async def _first_columns(session: Any) -> dict[str, str]:
    """Of every index, by its name."""
    rows = await session.fetch("SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid, 1, true) FROM pg_index")
    return {str(name): str(column) for name, column in rows}


def _postgres_faults(plan: Plan, first: dict[str, str], *, bounded: bool = False) -> Iterator[str]:
    kind = plan["Node Type"]
    if not _postgres_good(plan, first, bounded=bounded):
        on = plan.get("Relation Name") or plan.get("Index Name")
        yield f"{kind} on {on}, {plan.get('Index Cond', 'without a condition')}, {plan['Plan Rows']} rows"
    # What sorts or counts reads everything before it gives anything.
    bounded = kind == "Limit" or (bounded and kind not in {"Sort", "Aggregate"})
    for part in plan.get("Plans", []):
        yield from _postgres_faults(part, first, bounded=bounded)


def _postgres_good(plan: Plan, first: dict[str, str], *, bounded: bool) -> bool:
    kind = plan["Node Type"]
    if kind == "Seq Scan":
        return plan["Relation Name"] in SMALL
    if "Index Name" not in plan:
        return True
    # Without its first column in the condition an index is read as a whole. What is no equality is a range.
    column = re.escape(first[plan["Index Name"]])
    found = re.search(rf"\b{column}\b[^<>=]*([<>=])", plan.get("Index Cond", ""))
    return found is not None and (bounded or (found[1] == "=" and plan["Plan Rows"] <= _FEW))
