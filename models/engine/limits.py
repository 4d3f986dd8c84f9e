"""How much of a database one process may take, and how long it waits for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """`connections` is the size of a process's pool (PostgreSQL; SQLite has one connection). `seconds` bounds each
    wait: for a connection, for a lock, for a statement. None lets statements take their time, as a migration may."""

    connections: int = 10
    seconds: float | None = 5
