"""`tendon providers`: which providers are available and what the others lack."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import SLUGS, credentials
from tests.gateway.settings.reader import PUBLIC
from tests.processes import tendon

CANARY = "canary-7f3a"
HEADER = ["slug", "name", "available", "reason", "sites", "pkce", "client auth", "refresh", "scopes", "docs"]


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


def test_the_columns_of_the_table(tmp_path: Path) -> None:
    entry = PUBLIC.replace("[token]", 'scopes = ["a", "b"]\nscope_separator = ","\n[token]\nrefresh = "reusable"')
    (tmp_path / "public.toml").write_text(entry, encoding="utf-8")
    settings = {"TENDON_CATALOGUE": str(tmp_path), "PUBLIC_CLIENT_ID": "x"}
    run = tendon("providers", cwd=tmp_path, settings=settings)
    header, *rows = run.stdout.splitlines()
    assert re.split(r" {2,}", header) == HEADER
    (row,) = [row for row in rows if row.startswith("public ")]
    starts = [header.index(name) for name in HEADER]
    cells = [row[start:end].rstrip() for start, end in zip(starts, [*starts[1:], None], strict=True)]
    assert cells == ["public", "Public", "yes", "", "", "S256", "none", "reusable", "a,b", "https://public.example"]
    for line in (header, *rows):
        assert line == line.rstrip()
        assert all(line[start - 2 : start] == "  " and line[start : start + 1] != " " for start in starts[4:])


def test_settings_are_read_from_a_file(tmp_path: Path) -> None:
    names = credentials() | {"TENDON_AUTH": "dev", "OURA_CLIENT_SECRET": "${HOME}"}
    (tmp_path / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in names.items()), encoding="utf-8")
    run = tendon("providers", cwd=tmp_path, settings={})
    assert all(" yes " in line for line in run.stdout.splitlines()[1:])
    assert tendon("migrate", cwd=tmp_path, settings={}).returncode == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "no +no credentials: set ACME_CLIENT_ID and ACME_CLIENT_SECRET and ACME_API_KEY "),
        (["CLIENT_ID", "CLIENT_SECRET"], "no +no api key: set ACME_API_KEY "),
        (["CLIENT_ID"], "no +no client secret and no api key: set ACME_CLIENT_SECRET and ACME_API_KEY "),
        (["CLIENT_ID", "CLIENT_SECRET", "API_KEY"], "yes +S256"),
    ],
)
def test_further_secrets_are_needed(tmp_path: Path, given: list[str], said: str) -> None:
    (tmp_path / "acme.toml").write_text(
        'slug = "acme"\nname = "Acme"\ndocs = "https://acme.example"\n[registration]\nsecrets = ["api_key"]\n'
        '[authorize]\nurl = "https://acme.example/a"\n[token]\nurl = "https://acme.example/t"\n',
        encoding="utf-8",
    )
    settings = {"TENDON_CATALOGUE": str(tmp_path), **{f"ACME_{name}": "x" for name in given}}
    run = tendon("providers", cwd=tmp_path, settings=settings)
    (row,) = [line for line in run.stdout.splitlines() if line.startswith("acme ")]
    assert re.search(said, row), row
