"""What `tendon` prints when its reader closes early or the disk is full."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.processes import TENDON, environment, free_port, tendon

PRINTING = [["providers"], ["migrate"], ["--version"], ["--help"], [], ["serve", "--help"]]
SETTINGS = {"TENDON_AUTH": "dev"}


def unread_pipe() -> int:
    """The writing end of a pipe without a reader."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_reader_that_has_gone(tmp_path: Path, arguments: list[str]) -> None:
    """As in `tendon providers | head -0`: the status that a shell reports for SIGPIPE, and no error message."""
    writing = unread_pipe()
    run = subprocess.run(
        [TENDON, *arguments],
        cwd=tmp_path,
        env=environment(**SETTINGS),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (run.returncode, run.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_disk_that_is_full(tmp_path: Path, arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [TENDON, *arguments],
            cwd=tmp_path,
            env=environment(**SETTINGS),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (run.returncode, run.stderr) == (1, "tendon can't write its output: No space left on device\n")


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("unread", ["pipe", "/dev/full"])
def test_a_service_goes_on_without_its_log(tmp_path: Path, unread: str, workers: str) -> None:
    """The log collector may die, or its disk may be full: callers don't notice, and the shutdown is orderly."""
    settings = SETTINGS | {"TENDON_SANDBOX": "0", "TENDON_LOG_LEVEL": "DEBUG"}
    assert tendon("migrate", cwd=tmp_path, settings=settings).returncode == 0
    writing = unread_pipe() if unread == "pipe" else os.open(unread, os.O_WRONLY)
    port = free_port()
    service = subprocess.Popen(
        [TENDON, "serve", "--port", str(port), "--workers", workers],
        cwd=tmp_path,
        env=environment(**settings),
        stdout=writing,
        stderr=writing,
    )
    os.close(writing)
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
