"""The command line: its options, and commands that cannot start, with one line for each mistake in the settings."""

from __future__ import annotations

import re
import signal
import socket
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.forked import start
from tests.gateway.settings.reader import KEY_FORM, PUBLIC, WAYS
from tests.processes import environment, tendon

SLUG_IS_MISSING = (
    "acme.toml: slug: is missing: The name of the file without `.toml`: lower-case letters, digits, `_` and `-`."
)


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("migrate", ["TENDON_LOG_LEVEL: must be DEBUG, INFO, WARNING or ERROR"]),
        ("providers", [f"TENDON_AUTH: {WAYS}", SLUG_IS_MISSING]),
        ("sandbox", [f"TENDON_AUTH: {WAYS}", SLUG_IS_MISSING]),
    ],
)
def test_each_command_reports_all_that_it_needs(tmp_path: Path, command: str, lines: list[str]) -> None:
    content = f"some words\nTENDON_AUTH=foo\nTENDON_LOG_LEVEL=loud\nTENDON_CATALOGUE={tmp_path}\n"
    (tmp_path / ".env").write_text(content, encoding="utf-8")
    (tmp_path / "acme.toml").write_text(PUBLIC.replace('slug = "public"', ""), encoding="utf-8")
    done = tendon(command, cwd=tmp_path, settings={})
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "tendon can't start:",
        ".env: line 1 can't be read: write NAME=value",
        *lines,
    ]


def test_the_sandbox_alone_allows_private_addresses_in_its_report_as_well(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("some words\n", encoding="utf-8")
    (tmp_path / "public.toml").write_text(PUBLIC.replace("https:", "http:"), encoding="utf-8")
    done = tendon("sandbox", cwd=tmp_path, settings={"TENDON_AUTH": "jwt", "TENDON_CATALOGUE": str(tmp_path)})
    assert done.stderr.splitlines() == ["tendon can't start:", ".env: line 1 can't be read: write NAME=value"]


def test_a_command_that_can_not_start_says_why(tmp_path: Path) -> None:
    wrong = {
        "TENDON_AUTH": "dev",
        "TENDON_DATABASE_URL": "postgres://tendon:CANARY@database.example/",
        "TENDON_REDIRECT_URIS": "https://CANARY/#",
        "TENDON_VAULT_KEYS": "main:CANARY",
    }
    for command, lines in (
        ("migrate", ["TENDON_DATABASE_URL: must name user, host and database: postgres://user@host/database"]),
        (
            "serve",
            [
                "TENDON_REDIRECT_URIS: entry 1 has a fragment, which a redirect URI can't have (RFC 6749 3.1.2): "
                "remove the # and what follows",
                "TENDON_DATABASE_URL: must name user, host and database: postgres://user@host/database",
                f"TENDON_VAULT_KEYS: the vault key main is not base64. {KEY_FORM}",
            ],
        ),
    ):
        done = tendon(command, cwd=tmp_path, settings=wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines() == ["tendon can't start:", *lines]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bogus"], "bogus"),
        (["serve", "--port", "0"], "--port: must be a whole number from 1 to 65535"),
        (["serve", "--port", "65536"], "--port: must be a whole number from 1 to 65535"),
        (["serve", "--port", "\uff18\uff10"], "--port: must be a whole number from 1 to 65535"),
        (["sandbox", "--port", "65536"], "--port: must be a whole number from 1 to 65535"),
        (["serve", "--workers", "0"], "--workers: must be a whole number from 1 to 256"),
        (["--vers"], "--vers"),
        (["serve", "--port", "1.0"], "--port: must be a whole number from 1 to 65535"),
        (["serve", "--workers", "257"], "--workers: must be a whole number from 1 to 256"),
        # A shortened option could mean another one tomorrow.
        (["serve", "--por", "8000"], "--por"),
        (["migrate", "--port", "8000"], "--port"),
    ],
)
def test_a_command_line_that_can_not_be_understood(tmp_path: Path, arguments: list[str], said: str) -> None:
    run = tendon(*arguments, cwd=tmp_path, settings={})
    assert (run.returncode, run.stdout) == (2, "")
    assert said in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("arguments", [["--port", "1", "--workers", "1"], ["--port", "65535", "--workers", "256"]])
def test_the_bounds_of_a_number_are_allowed(tmp_path: Path, arguments: list[str]) -> None:
    """What is wrong then are the settings."""
    run = tendon("serve", *arguments, cwd=tmp_path, settings={})
    assert run.stderr.startswith("tendon can't start:\nTENDON_AUTH: must be set")


def test_the_version(tmp_path: Path) -> None:
    run = tendon("--version", cwd=tmp_path, settings={})
    assert (run.returncode, run.stdout, run.stderr) == (0, f"tendon {version('tendon')}\n", "")


def test_help_has_the_defaults_and_bounds_of_options(tmp_path: Path) -> None:
    for command, port in (("serve", 8000), ("sandbox", 9000)):
        text = " ".join(tendon(command, "--help", cwd=tmp_path, settings={}).stdout.split())
        assert "The address to listen on. Default: 127.0.0.1." in text
        assert f"The port to listen on. From 1 to 65535, default: {port}." in text
        assert ("How many processes share the address. From 1 to 256, default: 1." in text) == (command == "serve")


def test_help_names_every_command_and_option(tmp_path: Path) -> None:
    without = tendon(cwd=tmp_path, settings={})
    asked = tendon("--help", cwd=tmp_path, settings={})
    assert (without.returncode, asked.returncode) == (2, 0)
    assert without.stdout == asked.stdout
    assert re.search(r"^ +--version\b", asked.stdout, re.MULTILINE)
    options = {
        "serve": ["--host", "--port", "--workers"],
        "migrate": [],
        "providers": ["--json"],
        "sandbox": ["--host", "--port", "--redirect-uri", "--set", "--write-catalogue"],
    }
    for command, its in options.items():
        assert re.search(rf"^ +{command}\b", asked.stdout, re.MULTILINE)
        helped = tendon(command, "--help", cwd=tmp_path, settings={})
        assert helped.returncode == 0
        assert set(re.findall(r"^ +(?:-h, )?(--[a-z-]+)", helped.stdout, re.MULTILINE)) == {"--help", *its}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["providers"], 0), (["migrate"], 0), (["serve"], 2), (["sandbox", "--write-catalogue", "own"], 2)],
    ids=["providers", "migrate", "serve", "sandbox"],
)
def test_a_fork_answers_as_a_process_does(tmp_path: Path, arguments: list[str], status: int) -> None:
    """All other tests of commands rely on it."""
    settings = {"TENDON_CATALOGUE": "own", "TENDON_CATALOG": "x", "TENDON_AUTH": "jwt"}
    answers = [
        tendon(*arguments, cwd=_with_own_catalogue(tmp_path / name), settings=settings, fresh=name == "process")
        for name in ("process", "fork")
    ]
    process, fork = ((run.returncode, run.stdout, re.sub(r'"timestamp":"[^"]*"', "", run.stderr)) for run in answers)
    assert process == fork
    assert process[0] == status
    assert process[1] or status
    assert process[2]


def _with_own_catalogue(folder: Path) -> Path:
    (folder / "own").mkdir(parents=True)
    (folder / "own" / "public.toml").write_text(PUBLIC, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("command", "number", "status"),
    [
        ("serve", signal.SIGTERM, 0),
        ("serve", signal.SIGINT, 0),
        ("migrate", signal.SIGINT, 130),
    ],
)
def test_a_stop_before_the_database_has_answered(
    tmp_path: Path, command: str, number: signal.Signals, status: int
) -> None:
    """No failure of a service. A migration was interrupted."""
    with socket.create_server(("127.0.0.1", 0)) as silent, (tmp_path / "log").open("wb") as log:
        silent.settimeout(60)
        url = f"postgres://tendon@127.0.0.1:{silent.getsockname()[1]}/tendon?sslmode=disable"
        variables = environment(TENDON_AUTH="dev", TENDON_DATABASE_URL=url, TENDON_DATABASE_TIMEOUT="60")
        running = start([command], cwd=tmp_path, env=variables, stdout=log, stderr=log)
        try:
            with silent.accept()[0]:
                running.send_signal(number)
                assert running.wait(60) == status
        finally:
            running.kill()
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")
