from __future__ import annotations

import re
from pathlib import Path

from benchmarks.databases import SqliteFile
from benchmarks.seeding import seed_lists, seed_requests
from models.vault import Vault
from tests.databases import create_migrated_file

_TIMES = {
    "authorization_request": ("created_at", "expires_at"),
    "connection": ("created_at", "updated_at", "last_sync_at"),
}


def test_times_are_those_that_tendon_writes_and_not_of_a_whole_second(tmp_path: Path) -> None:
    database = SqliteFile(create_migrated_file(tmp_path / "seeded.db"))
    vault = Vault({"key": bytes(32)})
    seed_requests(database, vault, "registration", 0, 3)
    seed_lists(database, vault, 3)
    times = [
        str(time)
        for table, columns in _TIMES.items()
        for row in database.rows(f"SELECT {', '.join(columns)} FROM {table}")
        for time in row
    ]
    assert times
    for time in times:
        assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.(?!000000)\d{6}\+00:00", time), time
