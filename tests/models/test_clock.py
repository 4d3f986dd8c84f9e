"""Reading the database's clock."""

from __future__ import annotations

from datetime import timedelta

from models.clock import read_clock
from models.database import Database
from tests.models.rows import now


async def test_the_clock_is_that_of_the_database(database: Database) -> None:
    before = await now(database)
    read = await read_clock(database)
    assert before <= read <= await now(database)
    assert read.utcoffset() == timedelta()
