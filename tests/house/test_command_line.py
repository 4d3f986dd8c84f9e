"""The command `tendon`: what it refuses, and how it says so."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from tests.conftest import SLUGS, credentials, start_gateway
from tests.processes import Process, tendon
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
        ({"TENDON_AUTH": "jwt", **JWT}, [], "TENDON_VAULT_KEYS: must be set"),
        ({"TENDON_AUTH": "jwt", **JWT, "TENDON_VAULT_KEYS": f"k1:{CANARY}"}, [], "TENDON_VAULT_KEYS: the vault key k1"),
        ({"TENDON_AUTH": "jwt", "TENDON_VAULT_KEYS": KEY}, [], "TENDON_JWKS_URL"),
        ({"TENDON_AUTH": "jwt", **JWT, "TENDON_VAULT_KEYS": KEY, "TENDON_SANDBOX": "1"}, [], "TENDON_SANDBOX: "),
    ],
)
def test_what_serve_refuses(tmp_path: Path, settings: dict[str, str], arguments: list[str], said: str) -> None:
    """One for each step of the start; tests/gateway/settings/test_settings.py has every setting that can be wrong."""
    run = tendon("serve", *arguments, cwd=tmp_path, settings=settings)
    assert run.returncode == 2
    assert run.stderr.startswith("tendon can't start:\n")
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert CANARY not in run.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bogus"], "bogus"),
        (["serve", "--port", "0"], "--port: must be a whole number from 1 to 65535"),
        (["serve", "--port", "65536"], "--port: must be a whole number from 1 to 65535"),
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


def test_help_names_every_command_and_option(tmp_path: Path) -> None:
    without = tendon(cwd=tmp_path, settings={})
    asked = tendon("--help", cwd=tmp_path, settings={})
    assert (without.returncode, asked.returncode) == (2, 0)
    assert without.stdout == asked.stdout
    assert re.search(r"^ +--version\b", asked.stdout, re.MULTILINE)
    options = {
        "serve": ["--host", "--port", "--workers"],
        "migrate": [],
        "providers": [],
        "sandbox": ["--host", "--port", "--redirect-uri", "--write-catalogue"],
    }
    for command, its in options.items():
        assert re.search(rf"^ +{command}\b", asked.stdout, re.MULTILINE)
        helped = tendon(command, "--help", cwd=tmp_path, settings={})
        assert helped.returncode == 0
        assert set(re.findall(r"^ +(?:-h, )?(--[a-z-]+)", helped.stdout, re.MULTILINE)) == {"--help", *its}


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


def test_migrate_warns_of_a_misspelt_setting(tmp_path: Path) -> None:
    """It would leave the database that was meant as it is. Wrong settings that a migration doesn't use are no reason to
    stay silent."""
    misspelt = {"TENDON_DATABASE_URI": f"postgres://a:{CANARY}@b/c"}
    for others in ({}, {"TENDON_AUTH": "bogus"}):
        run = tendon("migrate", cwd=tmp_path, settings=misspelt | others)
        assert run.returncode == 0
        assert run.stdout.startswith("sqlite .tendon/tendon.db: ")
        assert re.search(r"warning.*setting\.unknown .*did you mean TENDON_DATABASE_URL\?", run.stderr)
        assert CANARY not in run.stdout + run.stderr


def test_a_catalogue_file_with_mistakes(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text('slug = "acme"\nname = "Acme"\n[token]\nauth = "magic"\n', encoding="utf-8")
    run = tendon("providers", cwd=tmp_path, settings={"TENDON_AUTH": "dev", "TENDON_CATALOGUE": str(tmp_path)})
    assert run.returncode == 2
    for place in ("acme.toml: docs", "acme.toml: authorize", "acme.toml: token.auth", "acme.toml: token.url"):
        assert place in run.stderr


def test_a_catalogue_folder_that_is_not_there(tmp_path: Path) -> None:
    run = tendon("providers", cwd=tmp_path, settings={"TENDON_CATALOGUE": "missing"})
    problem = "is not a folder: name the one that holds your catalogue files, or remove the setting"
    assert (run.returncode, run.stderr) == (2, f"tendon can't start:\nTENDON_CATALOGUE: {problem}\n")


def test_the_table_of_providers(tmp_path: Path) -> None:
    settings = {
        "OURA_CLIENT_ID": "x",
        "OURA_CLIENT_SECRET": "y",
        "WHOOP_CLIENT_ID": CANARY,
        "FITBIT_CLIENT_SECRET": CANARY,
    }
    run = tendon("providers", cwd=tmp_path, settings=settings)
    assert run.returncode == 0
    rows = {line.split()[0]: line for line in run.stdout.splitlines()[1:]}
    assert sorted(rows) == SLUGS
    assert re.search(r"^oura +Oura +yes +(none|S256) ", rows["oura"])
    assert re.search(r"^strava +Strava +no .*read,activity:read_all", rows["strava"])
    assert " no   " in rows["strava"]
    assert " no credentials: set STRAVA_CLIENT_ID and STRAVA_CLIENT_SECRET " in rows["strava"]
    assert re.search(r" no +no client secret: set WHOOP_CLIENT_SECRET ", rows["whoop"])
    assert re.search(r" no +no client id: set FITBIT_CLIENT_ID ", rows["fitbit"])
    assert CANARY not in run.stdout


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("OURA_CLIENT_ID", f" {CANARY}", "OURA_CLIENT_ID begins or ends with white space: remove it"),
        ("OURA_CLIENT_SECRET", f"{CANARY}\n", "OURA_CLIENT_SECRET begins or ends with a line break: remove it"),
        ("OURA_CLIENT_ID", f"'{CANARY}'", "OURA_CLIENT_ID is in quotation marks, which are part of the value here"),
    ],
)
def test_credentials_that_serve_refuses_are_not_available(tmp_path: Path, name: str, value: str, reason: str) -> None:
    settings = {"TENDON_AUTH": "dev", "OURA_CLIENT_ID": "x", "OURA_CLIENT_SECRET": "y", name: value}
    listed = tendon("providers", cwd=tmp_path, settings=settings)
    assert listed.returncode == 0
    assert re.search(rf"^oura +Oura +no +{reason}", listed.stdout, re.MULTILINE)
    served = tendon("serve", "--port", "1024", cwd=tmp_path, settings=settings)
    assert reason.replace(name, f"{name}:") in served.stderr
    assert CANARY not in listed.stdout + served.stderr


LISTED = {"TENDON_ALLOW_PRIVATE_PROVIDERS": "1"}
ELSEWHERE = "for a sandbox elsewhere set SANDBOX_CLIENT_ID and SANDBOX_CLIENT_SECRET, and SANDBOX_ORIGIN to its address"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, " yes +S256"),
        ({"TENDON_AUTH": "dev", "TENDON_SANDBOX": "1"}, " yes +S256"),
        ({"TENDON_AUTH": "dev", "TENDON_SANDBOX": "0"}, f" no +TENDON_SANDBOX is 0; {ELSEWHERE} "),
        ({"TENDON_AUTH": "jwt", **LISTED}, f" no +it runs with TENDON_AUTH=dev only; {ELSEWHERE} "),
        ({"TENDON_AUTH": "jwt", **LISTED, "SANDBOX_CLIENT_ID": "x", "SANDBOX_CLIENT_SECRET": "y"}, " yes +S256"),
        ({"TENDON_AUTH": "jwt"}, None),
    ],
)
def test_the_sandbox_among_the_providers(tmp_path: Path, settings: dict[str, str], said: str | None) -> None:
    """As with `tendon serve` and the same settings."""
    run = tendon("providers", cwd=tmp_path, settings=settings)
    (row,) = [line for line in run.stdout.splitlines() if line.startswith("sandbox ")] or [None]
    assert (row is None) == (said is None)
    if row and said:
        assert re.search(said, row)


def test_a_public_client_needs_no_secret(tmp_path: Path) -> None:
    entry = 'slug = "acme"\nname = "Acme"\ndocs = "https://acme.example"\n[authorize]\nurl = "https://acme.example/a"\n'
    entry += '[token]\nurl = "https://acme.example/t"\nauth = "none"\n'
    (tmp_path / "acme.toml").write_text(entry, encoding="utf-8")
    for given, said in (({}, "no +no credentials: set ACME_CLIENT_ID "), ({"ACME_CLIENT_ID": "x"}, "yes +S256")):
        run = tendon("providers", cwd=tmp_path, settings={"TENDON_CATALOGUE": str(tmp_path), **given})
        assert re.search(f"^acme +Acme +{said}", run.stdout, re.MULTILINE)


def test_settings_are_read_from_a_file(tmp_path: Path) -> None:
    names = credentials() | {"TENDON_AUTH": "dev", "OURA_CLIENT_SECRET": "${HOME}"}
    (tmp_path / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in names.items()), encoding="utf-8")
    run = tendon("providers", cwd=tmp_path, settings={})
    assert all(" yes " in line for line in run.stdout.splitlines()[1:])
    assert tendon("migrate", cwd=tmp_path, settings={}).returncode == 0


@pytest.mark.parametrize(
    ("folder", "arguments", "said"),
    [
        ("missing", [], "TENDON_CATALOGUE: is not a folder"),
        ("broken", [], "acme.toml"),
        ("good", ["--write-catalogue", "good"], "--write-catalogue: would overwrite"),
        ("good", ["--host", "0.0.0.0"], "--host: the sandbox"),
        ("good", ["--redirect-uri", "/done"], "--redirect-uri: entry 1 is not an absolute URI"),
        (
            "good",
            ["--redirect-uri", "/done", "--redirect-uri", "x"],
            "\n--redirect-uri: entry 2 is not an absolute URI",
        ),
    ],
)
def test_what_the_sandbox_refuses(tmp_path: Path, folder: str, arguments: list[str], said: str) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "acme.toml").write_text("slug = ", encoding="utf-8")
    run = tendon("sandbox", *arguments, cwd=tmp_path, settings={"TENDON_CATALOGUE": folder})
    assert run.returncode == 2
    assert said in run.stderr
    assert "Traceback" not in run.stderr


def test_the_sandbox_checks_the_allow_list(tmp_path: Path) -> None:
    run = tendon("sandbox", cwd=tmp_path, settings={"TENDON_REDIRECT_URIS": f"https://{CANARY}/#"})
    assert (run.returncode, run.stdout) == (2, "")
    assert "TENDON_REDIRECT_URIS: entry 1 has a fragment" in run.stderr
    assert CANARY not in run.stderr


def test_where_the_sandbox_alone_sends_users_back_to(tmp_path: Path) -> None:
    """To a page of the operator, by the setting that the gateway also reads, and to the connect page of a gateway on
    any port."""
    settings = {"TENDON_REDIRECT_URIS": "http://localhost:3000/callback http://127.0.0.1:*/app"}
    sandbox = Process("sandbox", "--redirect-uri", "https://app.example/done", folder=tmp_path, settings=settings)
    accepted = [
        "http://localhost:3000/callback",
        "http://127.0.0.1:5173/app",
        "https://app.example/done",
        "http://127.0.0.1:8123/connect",
        "http://localhost:8123/connect",
    ]
    rejected = ["http://localhost:3000/", "http://localhost:5173/app", "https://app.example/connect"]
    try:
        with httpx.Client(base_url=sandbox.origin, trust_env=False) as client:
            for redirect_uri in accepted + rejected:
                query = {
                    "response_type": "code",
                    "client_id": "tendon",
                    "redirect_uri": redirect_uri,
                    "state": "s" * 43,
                    "code_challenge": "c" * 43,
                    "code_challenge_method": "S256",
                    "decision": "approve",
                }
                answer = client.get("/authorize", params=query)
                sent_back = answer.headers.get("location", "").startswith(f"{redirect_uri}?code=")
                assert (answer.is_redirect, sent_back) == (redirect_uri in accepted,) * 2, redirect_uri
    finally:
        sandbox.kill()


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
