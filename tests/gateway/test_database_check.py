"""The check of the database before a command uses it, and what is said about one that can't be used."""

from __future__ import annotations

import re
import socket
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.database_check import check_database, database_errors, warn_of_database
from gateway.settings import SettingsError
from models.database import DatabaseDown, Limits
from models.engine import TLS_REFUSED
from models.file_modes import ReadableByOthers
from models.migrating import migrate
from tests.databases import create_migrated_file


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


LIMITS = Limits(1, 5)


async def refusal(url: str) -> str:
    with pytest.raises(SettingsError) as raised:
        await check_database(url, LIMITS)
    return str(raised.value)


async def test_a_database_in_order(tmp_path: Path) -> None:
    create_migrated_file(tmp_path / "tendon.db")
    with capture_logs() as logged:
        await check_database(f"sqlite://{tmp_path}/tendon.db", LIMITS)
    assert logged == []


async def test_a_database_that_is_not_there_is_not_created(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/other/tendon.db"
    assert await refusal(url) == (
        f"there is no database sqlite {tmp_path}/other/tendon.db: run `tendon migrate` to create it,"
        " or correct TENDON_DATABASE_URL"
    )
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - a look at an empty folder


async def test_a_database_without_tables(tmp_path: Path) -> None:
    (tmp_path / "tendon.db").touch(0o600)
    told = await refusal(f"sqlite://{tmp_path}/tendon.db")
    assert re.fullmatch(r"the database sqlite \S+/tendon.db lacks 0001\S*, .*: run `tendon migrate`", told)


async def test_a_path_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert await refusal(f"sqlite://{tmp_path}/file/tendon.db") == (
        "TENDON_DATABASE_URL: the database can't be used (FileExistsError): its folder is a file; correct the path"
    )


async def test_a_server_that_is_away_is_logged(tmp_path: Path) -> None:
    """The process starts, and is not ready until the server is back."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        with capture_logs() as logged:
            await check_database(f"postgres://u:p@127.0.0.1:{port}/db?sslmode=disable", LIMITS)
    assert [(one["event"], one["log_level"], one["reason"]) for one in logged] == [
        ("database.away", "warning", "ConnectionRefusedError")
    ]


POSTGRES = "postgres://u:CANARY@database.example/db"


@pytest.mark.parametrize(
    ("fault", "hint"),
    [
        (DatabaseDown("InvalidPasswordError 28P01"), "the user or the password is wrong"),
        (DatabaseDown("28000"), "the server doesn't accept this user from this host; check its pg_hba.conf"),
        (DatabaseDown("3D000"), "the server has no database of this name; create it, or correct the name"),
        (DatabaseDown("42501"), "this role lacks a right; docs/operating.md lists the rights"),
        (DatabaseDown("gaierror"), "the host name can't be resolved; correct it"),
        (DatabaseDown("TimeoutError"), "the server did not answer in time; check host, port and firewalls"),
        (PermissionError(), "this user may not write there; give the folder to this user, or correct the path"),
        (
            DatabaseDown(TLS_REFUSED),
            "the server offers no TLS, so the password would be sent in clear text: set up TLS there, or add"
            " `?sslmode=disable` if nobody else can read the traffic",
        ),
        (
            DatabaseDown("TooManyConnectionsError 53300"),
            "the server, its database or this role accepts no more connections; raise the limit, or lower"
            " TENDON_DATABASE_POOL",
        ),
        (
            DatabaseDown("TargetServerAttributeNotMatched"),
            "no host accepts writes: each that answers is a standby, or read-only; name the primary, too",
        ),
        (DatabaseDown("53400"), None),
    ],
)
def test_what_to_do_about_a_failure(fault: Exception, hint: str | None) -> None:
    with pytest.raises(SettingsError) as raised, database_errors(POSTGRES):
        raise fault
    reason = fault.reason if isinstance(fault, DatabaseDown) else type(fault).__name__
    rest = f": {hint}" if hint else ""
    assert str(raised.value) == f"TENDON_DATABASE_URL: the database can't be used ({reason}){rest}"
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(("sslmode", "after"), [("allow", True), ("prefer", False), ("require", False)])
def test_a_password_that_may_have_been_sent_in_clear_text(sslmode: str, after: bool) -> None:
    with pytest.raises(SettingsError) as raised, database_errors(f"{POSTGRES}?sslmode={sslmode}"):
        raise DatabaseDown(TLS_REFUSED)
    assert ("may already have been sent in clear text" in str(raised.value)) is after


def test_a_file_that_others_may_read() -> None:
    with pytest.raises(SettingsError) as raised, database_errors("sqlite://tendon.db"):
        raise ReadableByOthers("tendon.db may be read by others")
    assert str(raised.value) == "TENDON_DATABASE_URL: tendon.db may be read by others"


@pytest.mark.parametrize(
    ("url", "events"),
    [
        (f"{POSTGRES}?sslmode=require", ["database.unverified"]),
        (f"{POSTGRES}?sslmode=verify-full", []),
        ("sqlite://tendon.db", []),
    ],
)
def test_a_certificate_that_is_not_verified_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, events: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with capture_logs() as logged:
        warn_of_database(url)
    assert [one["event"] for one in logged] == events
    assert "CANARY" not in repr(logged)
