"""The environment and the file `.env`: which comes first, and each mistake in the file."""

from __future__ import annotations

import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings import SettingsError, read_environment
from tests.gateway.settings.reader import DEV, Read


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"TENDON_AUTH=dev\n\n\nsome words\n", [".env: line 4 can't be read: write NAME=value"]),
        (b"TENDON_AUTH: dev\n", [".env: line 1 can't be read: write NAME=value"]),
        (b"\n# A comment\nTENDON_AUTH\n", [".env: line 3 has no `=` after TENDON_AUTH: write TENDON_AUTH=value"]),
        (b"OURA_CLIENT_SECRET\n", [".env: line 1 has no `=` after OURA_CLIENT_SECRET: write OURA_CLIENT_SECRET=value"]),
        (b"oura_client_id\n", [".env: line 1 has no `=` after oura_client_id: write oura_client_id=value"]),
        (b"\r\n\r\nsome words\r\n", [".env: line 3 can't be read: write NAME=value"]),
        (
            b"TENDON_AUTH=dev\nX=1\nTENDON_AUTH=jwt\n",
            [".env: TENDON_AUTH is set twice, in lines 1 and 3: remove one of them"],
        ),
        (
            b"TENDON_AUTH\nCANARY CANARY\nX=1\n\nX=1\n",
            [
                ".env: line 1 has no `=` after TENDON_AUTH: write TENDON_AUTH=value",
                ".env: line 2 can't be read: write NAME=value",
                ".env: X is set twice, in lines 3 and 5: remove one of them",
            ],
        ),
        ("TENDON_AUTH=dev".encode("utf-16"), [".env: is not UTF-8: save it as UTF-8"]),
        (b"TENDON_ISSUER=caf\xe9", [".env: is not UTF-8: save it as UTF-8"]),
    ],
)
def test_a_file_of_settings_with_mistakes(read: Read, tmp_path: Path, content: bytes, lines: list[str]) -> None:
    (tmp_path / ".env").write_bytes(content)
    assert read.lines(DEV) == lines
    with pytest.raises(SettingsError) as raised:
        read_environment()
    assert str(raised.value).splitlines() == lines


def test_mistakes_in_the_file_are_reported_with_all_others(
    read: Read, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("TENDON_LOG_LEVEL=CANARY\nsome words\nOURA_CLIENT_ID=x\n", encoding="utf-8")
    assert read.lines(DEV) == [
        ".env: line 2 can't be read: write NAME=value",
        "TENDON_LOG_LEVEL: must be DEBUG, INFO, WARNING or ERROR",
        "OURA_CLIENT_SECRET: must be set, because OURA_CLIENT_ID is: set both, or neither to leave Oura out",
    ]


@given(st.binary(max_size=60) | st.text("AB=\"'#\\\\ \\n\\r$x", max_size=40).map(str.encode))
def test_whatever_stands_in_the_file(content: bytes) -> None:
    """It can be read, or its mistakes are reported."""
    with TemporaryDirectory() as folder, chdir(folder):
        Path(".env").write_bytes(content)
        try:
            values = read_environment()
        except SettingsError as fault:
            lines = str(fault).splitlines()
            assert all(line.startswith(".env: ") for line in lines)
        else:
            assert values.items() >= dict(os.environ).items()


def test_a_file_of_settings_as_windows_writes_it(read: Read, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("\ufeffTENDON_AUTH=dev\r\nTENDON_PROVIDER_TIMEOUT='7'\r\n".encode())
    settings = read({})
    assert (settings.auth, settings.provider_timeout) == ("dev", 7)


def test_the_file_may_be_a_pipe(read: Read, tmp_path: Path) -> None:
    """As managers of secrets provide it."""
    os.mkfifo(tmp_path / ".env")
    with ThreadPoolExecutor(1) as writer:
        written = writer.submit((tmp_path / ".env").write_text, "TENDON_PROVIDER_TIMEOUT=7\n", "utf-8")
        assert read(DEV).provider_timeout == 7
        assert written.result()


def test_a_folder_of_that_name_is_no_file_of_settings(read: Read, tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert read(DEV).dev


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        (".env", ".env: can't be read (Permission denied): let this user read it, or remove it"),
        ("folder", "TENDON_CATALOGUE: can't be read (Permission denied): let this user read the folder"),
    ],
)
def test_what_this_user_may_not_read(read: Read, tmp_path: Path, place: str, problem: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / ".env").write_text("TENDON_AUTH=dev\n", encoding="utf-8")
    (tmp_path / place).chmod(0)
    with nobody(tmp_path):
        assert read.lines({"CATALOGUE": "folder"}) == [problem]


@contextmanager
def nobody(folder: Path) -> Generator[None]:
    """Root may read everything, so a test that runs as root reads as another user. Late imports must be done before,
    since that user may not be able to read this Python."""
    folder.chmod(0o755)
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_the_environment_goes_before_the_file(read: Read, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TENDON_AUTH=jwt\nTENDON_PROVIDER_TIMEOUT=7\nOURA_CLIENT_SECRET=a${HOME}b\nEMPTY\n")
    settings = read(DEV)
    assert (settings.auth, settings.provider_timeout) == ("dev", 7)
    assert read_environment()["TENDON_AUTH"] == "dev"
    assert read_environment()["OURA_CLIENT_SECRET"] == "a${HOME}b"
    assert "EMPTY" not in read_environment()
