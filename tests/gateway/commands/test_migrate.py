"""What `tendon migrate` prints, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.settings.reader import PUBLIC
from tests.processes import log_lines, tendon

CANARY = "canary-7f3a"
MIGRATIONS = ", ".join(sorted(path.stem for path in Path("models/migrations").glob("[0-9]*.py")))


@pytest.mark.parametrize("command", ["serve", "migrate"])
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("folder.db", "(IsADirectoryError): this is a folder; add the name of a file"),
        ("text.db", "(SQLITE_NOTADB): this file is not an SQLite database; correct the path"),
        ("text.db/tendon.db", "(FileExistsError): its folder is a file; correct the path"),
    ],
)
def test_a_database_that_can_not_be_used(tmp_path: Path, command: str, name: str, hint: str) -> None:
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "text.db").write_text("no database at all, only text\n" * 100, encoding="utf-8")
    settings = {"TENDON_AUTH": "dev", "TENDON_DATABASE_URL": f"sqlite://{name}"}
    run = tendon(command, cwd=tmp_path, settings=settings)
    assert run.returncode == 2
    assert run.stderr == f"tendon can't start:\nTENDON_DATABASE_URL: the database can't be used {hint}\n"


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        (
            "postgres://u:p@127.0.0.1:1/db",
            "(ConnectionRefusedError): no server listens there; start it, or correct host and port",
        ),
        (
            "postgres://u@:5432/db?host=/nowhere",
            "(FileNotFoundError): there is no such folder or socket; correct the path",
        ),
    ],
)
def test_a_database_server_that_is_not_there(tmp_path: Path, url: str, hint: str) -> None:
    run = tendon("migrate", cwd=tmp_path, settings={"TENDON_DATABASE_URL": url})
    assert run.returncode == 2
    assert run.stderr == f"tendon can't start:\nTENDON_DATABASE_URL: the database can't be used {hint}\n"


def test_migrate_twice(tmp_path: Path) -> None:
    first = tendon("migrate", cwd=tmp_path, settings={})
    second = tendon("migrate", cwd=tmp_path, settings={})
    assert (first.returncode, first.stdout) == (0, f"sqlite .tendon/tendon.db: applied {MIGRATIONS}\n")
    assert (second.returncode, second.stdout) == (0, "sqlite .tendon/tendon.db: nothing to apply\n")
    assert (first.stderr, second.stderr) == ("", "")


def test_migrate_warns_of_a_folder_that_anybody_may_write_to(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    run = tendon("migrate", cwd=tmp_path, settings={"TENDON_DATABASE_URL": "sqlite://open/tendon.db"})
    assert run.returncode == 0
    assert [line["level"] for line in log_lines(run.stderr, "folder.mode")] == ["warning"]


def test_migrate_warns_of_a_server_whose_certificate_is_not_verified(tmp_path: Path) -> None:
    # Another host, by its form, where nobody listens.
    url = "postgres://tendon@0.0.0.0:1/tendon?sslmode=require"
    run = tendon("migrate", cwd=tmp_path, settings={"TENDON_DATABASE_URL": url})
    assert run.returncode == 2
    (line,) = log_lines(run.stderr, "database.unverified")
    assert line["level"] == "warning"
    assert line["sslmode"] == "require"


@pytest.mark.parametrize(("level", "lines"), [("WARNING", 1), ("ERROR", 0)])
def test_migrate_logs_from_its_level_on(tmp_path: Path, level: str, lines: int) -> None:
    run = tendon("migrate", cwd=tmp_path, settings={"TENDON_LOG_LEVEL": level, "TENDON_LOGLEVEL": "x"})
    assert (run.returncode, len(run.stderr.splitlines())) == (0, lines)


def test_migrate_knows_the_credentials_of_its_catalogue(tmp_path: Path) -> None:
    """They look like a misspelt setting otherwise. Those of a catalogue that can't be read do."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "tendon-acme.toml").write_text(PUBLIC.replace("public", "tendon-acme"), encoding="utf-8")
    named = {"TENDON_CATALOGUE": "own", "TENDON_ACME_CLIENT_ID": "x"}
    assert tendon("migrate", cwd=tmp_path, settings=named).stderr == ""
    run = tendon("migrate", cwd=tmp_path, settings=named | {"TENDON_AUTH": "bogus"})
    assert run.returncode == 0
    assert [line["name"] for line in log_lines(run.stderr)] == ["TENDON_ACME_CLIENT_ID"]


def test_migrate_warns_of_a_misspelt_setting(tmp_path: Path) -> None:
    """It would leave the database that was meant as it is. Wrong settings that a migration doesn't use are no reason to
    stay silent."""
    misspelt = {"TENDON_DATABASE_URI": f"postgres://a:{CANARY}@b/c"}
    for others in ({}, {"TENDON_AUTH": "bogus"}):
        run = tendon("migrate", cwd=tmp_path, settings=misspelt | others)
        assert run.returncode == 0
        assert run.stdout.startswith("sqlite .tendon/tendon.db: ")
        (line,) = log_lines(run.stderr, "setting.unknown")
        assert line["level"] == "warning"
        assert line["reason"].endswith("did you mean TENDON_DATABASE_URL?")
        assert CANARY not in run.stdout + run.stderr
