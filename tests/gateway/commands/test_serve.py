"""What `tendon serve` refuses, and how it says so."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.conftest import start_gateway
from tests.processes import tendon
from tests.vault_keys import vault_key

KEY = vault_key("k1")
JWT = {"TENDON_JWKS_URL": "https://id.example/jwks", "TENDON_ISSUER": "https://id.example", "TENDON_AUDIENCE": "tendon"}
CANARY = "canary-7f3a"
MIGRATIONS = ", ".join(sorted(path.stem for path in Path("models/migrations").glob("[0-9]*.py")))


@pytest.mark.parametrize(
    ("settings", "arguments", "said"),
    [
        ({}, [], "TENDON_AUTH: must be set"),
        ({"TENDON_AUTH": "dev"}, ["--host", "0.0.0.0"], "TENDON_AUTH: dev accepts any user"),
        ({"TENDON_AUTH": "dev"}, ["--host", "192.0.2.1"], "TENDON_AUTH: dev accepts any user"),
        (
            {"TENDON_AUTH": "dev"},
            ["--workers", "2"],
            "--workers: the included sandbox works with a single",
        ),
        ({"TENDON_AUTH": "jwt", **JWT}, [], "TENDON_VAULT_KEYS: must be set"),
        ({"TENDON_AUTH": "jwt", **JWT, "TENDON_VAULT_KEYS": f"k1:{CANARY}"}, [], "TENDON_VAULT_KEYS: the vault key k1"),
        ({"TENDON_AUTH": "jwt", "TENDON_VAULT_KEYS": KEY}, [], "TENDON_JWKS_URL"),
        ({"TENDON_AUTH": "jwt", **JWT, "TENDON_VAULT_KEYS": KEY, "TENDON_SANDBOX": "1"}, [], "TENDON_SANDBOX: "),
    ],
)
def test_what_serve_refuses(tmp_path: Path, settings: dict[str, str], arguments: list[str], said: str) -> None:
    """One for each step of the start; tests/gateway/settings/test_types.py has every setting that can be wrong."""
    run = tendon("serve", *arguments, cwd=tmp_path, settings=settings)
    assert run.returncode == 2
    assert run.stderr.startswith("tendon can't start:\n")
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert CANARY not in run.stderr


@pytest.mark.parametrize(
    ("settings", "arguments"),
    [
        ({"TENDON_AUTH": "jwt", **JWT, "TENDON_VAULT_KEYS": KEY}, ["--host", "0.0.0.0", "--workers", "2"]),
        ({"TENDON_AUTH": "dev"}, ["--host", "localhost", "--workers", "1"]),
        ({"TENDON_AUTH": "dev", "TENDON_SANDBOX": "0"}, ["--host", "::1", "--workers", "2"]),
    ],
)
def test_what_serve_does_not_refuse(tmp_path: Path, settings: dict[str, str], arguments: list[str]) -> None:
    """It gets as far as the database, which is not there."""
    run = tendon("serve", *arguments, cwd=tmp_path, settings=settings)
    assert run.returncode == 2
    assert run.stderr.splitlines()[:-1] == ["tendon can't start:"]
    assert run.stderr.splitlines()[-1].startswith("there is no database ")


def test_a_database_without_its_migrations(tmp_path: Path) -> None:
    run = tendon("serve", "--port", "1024", cwd=tmp_path, settings={"TENDON_AUTH": "dev"})
    problem = "there is no database sqlite .tendon/tendon.db: run `tendon migrate` to create it"
    problem += ", or correct TENDON_DATABASE_URL"
    assert (run.returncode, run.stderr) == (2, f"tendon can't start:\n{problem}\n")
    assert not (tmp_path / ".tendon" / "tendon.db").exists()
    (tmp_path / "empty.db").touch(mode=0o600)
    settings = {"TENDON_AUTH": "dev", "TENDON_DATABASE_URL": "sqlite://empty.db"}
    run = tendon("serve", "--port", "1024", cwd=tmp_path, settings=settings)
    assert run.returncode == 2
    assert run.stderr == f"tendon can't start:\nthe database sqlite empty.db lacks {MIGRATIONS}: run `tendon migrate`\n"


def test_serve_creates_nothing_at_a_mistyped_path(tmp_path: Path) -> None:
    settings = {"TENDON_AUTH": "dev", "TENDON_DATABASE_URL": "sqlite://no/such/folder/tendon.db"}
    run = tendon("serve", "--port", "1024", cwd=tmp_path, settings=settings)
    assert run.returncode == 2
    assert "there is no database sqlite no/such/folder/tendon.db: " in run.stderr
    assert not (tmp_path / "no").exists()


def test_an_allow_list_in_dev_takes_nothing_away(tmp_path: Path) -> None:
    """The connect page goes on working, and the sandbox knows every port that the list allows."""
    settings = {"TENDON_AUTH": "dev", "TENDON_REDIRECT_URIS": "http://127.0.0.1:*/app"}
    gateway = start_gateway(tmp_path, settings)
    for redirect_uri in (f"{gateway.origin}/connect", "http://127.0.0.1:54321/app"):
        members = {"provider": "sandbox", "redirectUri": redirect_uri}
        headers = {"Authorization": "Bearer dev:alice"}
        begun = httpx.post(f"{gateway.origin}/v1/connections/authorize", json=members, headers=headers)
        approved = httpx.get(begun.json()["url"] + "&decision=approve")
        assert approved.headers["location"].startswith(f"{redirect_uri}?")
    assert gateway.stop() == 0
    assert gateway.said.count("Tendon is running, with the sandbox provider") == 1
