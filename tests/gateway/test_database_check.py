"""What is said about the folder of a database file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.database_check import warn_of_database
from models.migrating import migrate


@pytest.mark.parametrize(("mode", "warned"), [(0o777, True), (0o702, True), (0o1777, False), (0o775, False)])
async def test_another_folder_is_warned_about_and_left_as_it_is(tmp_path: Path, mode: int, warned: bool) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    (tmp_path / "link.db").symlink_to(folder / "tendon.db")
    for url in (f"sqlite://{folder}/tendon.db", f"sqlite://{tmp_path}/link.db"):
        with capture_logs() as logged:
            warn_of_database(url)
            await migrate(url)
        told = [(one["event"], one["folder"]) for one in logged]
        assert told == ([("folder.mode", str(folder))] if warned else [])
    assert stat.S_IMODE(folder.stat().st_mode) == mode
