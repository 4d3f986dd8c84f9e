"""What `tendon` prints when its reader closes early or the disk is full."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests import forked
from tests.databases import create_migrated_file
from tests.processes import TENDON, environment, free_port, tendon

PRINTING = [["providers"], ["migrate"], ["--version"], ["--help"], [], ["serve", "--help"]]
SETTINGS = {"TENDON_AUTH": "dev"}


def unread_pipe() -> int:
    """The writing end of a pipe without a reader."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def printed(arguments: list[str], folder: Path, output: int, *, fresh: bool) -> tuple[int, str]:
    """The exit status, and what is on standard error."""
    own = environment(**SETTINGS)
    with open(output, "wb", buffering=0) as out, (folder / "errors").open("w+b") as errors:
        if fresh:
            running = subprocess.Popen([TENDON, *arguments], cwd=folder, env=own, stdout=out, stderr=errors)
        else:
            running = forked.start(arguments, cwd=folder, env=own, stdout=out, stderr=errors)
        status = running.wait(timeout=60)
        errors.seek(0)
        return status, errors.read().decode()


# The end of the interpreter, which flushes what was printed, is the same for all commands.
@pytest.mark.parametrize(("arguments", "fresh"), [(PRINTING[0], True), *((each, False) for each in PRINTING)])
def test_a_reader_that_has_gone(tmp_path: Path, arguments: list[str], fresh: bool) -> None:
    """As in `tendon providers | head -0`: the status that a shell reports for SIGPIPE, and no error message."""
    assert printed(arguments, tmp_path, unread_pipe(), fresh=fresh) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(("arguments", "fresh"), [(PRINTING[0], True), *((each, False) for each in PRINTING)])
def test_a_disk_that_is_full(tmp_path: Path, arguments: list[str], fresh: bool) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    message = "tendon can't write its output: No space left on device\n"
    assert printed(arguments, tmp_path, full, fresh=fresh) == (1, message)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("unread", ["pipe", "/dev/full"])
def test_a_service_goes_on_without_its_log(tmp_path: Path, unread: str, workers: str) -> None:
    """The log collector may die, or its disk may be full: callers don't notice, and the shutdown is orderly."""
    settings = SETTINGS | {"TENDON_SANDBOX": "0", "TENDON_LOG_LEVEL": "DEBUG"}
    create_migrated_file(tmp_path / ".tendon" / "tendon.db")
    writing = unread_pipe() if unread == "pipe" else os.open(unread, os.O_WRONLY)
    port = free_port()
    with open(writing, "wb", buffering=0) as output:  # noqa: PTH123
        service = forked.start(
            ["serve", "--port", str(port), "--workers", workers],
            cwd=tmp_path,
            env=environment(**settings),
            stdout=output,
            stderr=output,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client:
            _wait_for(client)
            for _ in range(20):
                listed = client.get(
                    "/v1/connections", params={"userId": "alice"}, headers={"Authorization": "Bearer dev:alice"}
                )
                assert (listed.status_code, listed.json()) == (200, {"connections": []})
                assert client.get("/v1/connections").status_code == 401
        service.terminate()
        assert service.wait(timeout=40) == 0
    finally:
        service.kill()
        service.wait()


def _wait_for(client: httpx.Client) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            client.get("/livez")
        except httpx.ConnectError:
            assert time.monotonic() < end
            time.sleep(0.05)
        else:
            return


def test_the_version(tmp_path: Path) -> None:
    run = tendon("--version", cwd=tmp_path, settings={})
    assert (run.returncode, run.stdout, run.stderr) == (0, "tendon 0.1.0\n", "")
