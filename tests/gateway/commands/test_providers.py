"""`tendon providers`: which providers are available and what the others lack."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from providers.unsupported import read_unsupported
from tests.conftest import SLUGS, credentials
from tests.gateway.settings.reader import PUBLIC
from tests.processes import tendon
from tests.providers.entries import minimal

CANARY = "canary-7f3a"
HEADER = ["slug", "category", "available", "sign-ups", "ends", "sites", "reason"]


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
    rows = {line.split()[0]: line for line in table(run.stdout)[1:]}
    assert sorted(rows) == SLUGS
    assert list(rows)[:2] == ["oura", "sandbox"], "those that are available come first"
    assert list(rows)[2:] == sorted({*rows} - {"oura", "sandbox"})
    assert re.search(r"^oura +wearable +yes +review$", rows["oura"])
    assert re.search(r"^strava +training +no .* set STRAVA_CLIENT_ID and STRAVA_CLIENT_SECRET$", rows["strava"])
    assert re.search(r" no .* no client secret: set WHOOP_CLIENT_SECRET$", rows["whoop"])
    assert re.search(r" no .* no client id: set FITBIT_CLIENT_ID$", rows["fitbit"])
    assert CANARY not in run.stdout


def table(printed: str) -> list[str]:
    """The lines of the table of providers."""
    return printed.partition("\n\n")[0].splitlines()


def test_lines_fit_on_a_screen(tmp_path: Path) -> None:
    printed = tendon("providers", cwd=tmp_path, settings={"TENDON_AUTH": "jwt"}).stdout.splitlines()
    assert [line for line in printed if len(line) > 145] == []


def test_the_vendors_that_cannot_be_connected(tmp_path: Path) -> None:
    def vendors() -> str:
        run = tendon("providers", cwd=tmp_path, settings={"TENDON_CATALOGUE": str(tmp_path)})
        return " ".join(run.stdout.partition("\n\ncan't be connected:\n")[2].split())

    (tmp_path / "acme.toml").write_text(minimal("acme"), encoding="utf-8")
    found = vendors()
    for slug, vendor in read_unsupported().items():
        assert " ".join(filter(None, [slug, vendor.reason, vendor.instead])) in found
    (tmp_path / "nightscout.toml").write_text(minimal("nightscout"), encoding="utf-8")
    assert "nightscout" in found
    assert "nightscout" not in vendors(), "an operator's own entry makes it a provider"


def test_all_of_it_as_json(tmp_path: Path) -> None:
    entry = minimal("acme") + 'refresh = "reusable"\n[lifecycle]\nends = 2026-12-31\n'
    (tmp_path / "acme.toml").write_text(entry, encoding="utf-8")
    settings = {"TENDON_CATALOGUE": str(tmp_path), "ACME_CLIENT_ID": CANARY}
    run = tendon("providers", "--json", cwd=tmp_path, settings=settings)
    found = json.loads(run.stdout)
    assert found.keys() == {"providers", "unsupported"}
    assert sorted(each["slug"] for each in found["providers"]) == sorted([*SLUGS, "acme"])
    (acme,) = [each for each in found["providers"] if each["slug"] == "acme"]
    assert acme == {
        "slug": "acme",
        "name": "Acme Ring",
        "category": "other",
        "docs": "https://acme.example/docs",
        "available": False,
        "reason": "no client secret: set ACME_CLIENT_SECRET",
        "variables": ["ACME_CLIENT_ID", "ACME_CLIENT_SECRET"],
        "unset": ["ACME_CLIENT_SECRET"],
        "sign_ups": "open",
        "ends": "2026-12-31",
        "portal": None,
        "sites": [],
        "open_sites": False,
        "connectable_sites": [],
        "scopes": [],
        "pkce": "S256",
        "pkce_checked": True,
        "client_auth": "client_secret_basic",
        "refresh": "reusable",
        "revocation": None,
    }
    assert {"slug", "name", "reason", "instead"} == found["unsupported"][0].keys()
    assert CANARY not in run.stdout


def test_json_is_for_the_list_only(tmp_path: Path) -> None:
    run = tendon("providers", "--json", "schema", cwd=tmp_path, settings={})
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.endswith("tendon: error: --json is for the list of providers\n")


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
    assert re.search(rf"^oura +wearable +no .* {reason}", listed.stdout, re.MULTILINE)
    served = tendon("serve", "--port", "1024", cwd=tmp_path, settings=settings)
    assert reason.replace(name, f"{name}:") in served.stderr
    assert CANARY not in listed.stdout + served.stderr


LISTED = {"TENDON_ALLOW_PRIVATE_PROVIDERS": "1"}
ELSEWHERE = "for a sandbox elsewhere set SANDBOX_CLIENT_ID and SANDBOX_CLIENT_SECRET, and SANDBOX_ORIGIN to its address"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, " yes +open$"),
        ({"TENDON_AUTH": "dev", "TENDON_SANDBOX": "1"}, " yes +open$"),
        ({"TENDON_AUTH": "dev", "TENDON_SANDBOX": "0"}, f" no +open +TENDON_SANDBOX is 0; {ELSEWHERE}$"),
        ({"TENDON_AUTH": "jwt", **LISTED}, f" no +open +it runs with TENDON_AUTH=dev only; {ELSEWHERE}$"),
        ({"TENDON_AUTH": "jwt", **LISTED, "SANDBOX_CLIENT_ID": "x", "SANDBOX_CLIENT_SECRET": "y"}, " yes +open$"),
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
    for given, said in (({}, "no +open +set ACME_CLIENT_ID$"), ({"ACME_CLIENT_ID": "x"}, "yes +open$")):
        run = tendon("providers", cwd=tmp_path, settings={"TENDON_CATALOGUE": str(tmp_path), **given})
        assert re.search(f"^acme +other +{said}", run.stdout, re.MULTILINE)


def test_the_columns_of_the_table(tmp_path: Path) -> None:
    entry = f'{PUBLIC}[lifecycle]\nsign_ups = "closed"\nends = 2026-12-31\n{SITES}'
    (tmp_path / "public.toml").write_text(f'category = "glucose"{entry}', encoding="utf-8")
    settings = {"TENDON_CATALOGUE": str(tmp_path), "PUBLIC_CLIENT_ID": "x"}
    header, *rows = table(tendon("providers", cwd=tmp_path, settings=settings).stdout)
    assert re.split(r" {2,}", header) == HEADER
    (row,) = [row for row in rows if row.startswith("public ")]
    starts = [header.index(name) for name in HEADER]
    cells = [row[start:end].rstrip() for start, end in zip(starts, [*starts[1:], None], strict=True)]
    assert cells == ["public", "glucose", "yes", "closed", "2026-12-31", "us eu", ""]
    for line in (header, *rows):
        assert line == line.rstrip()
        assert all(line[start - 2 : start] in ("  ", "") for start in starts[1:])


# The last is offered by a setting only.
SITES = "".join(
    f'[sites.{site}]\nname = "{site}"\noffered = {"false" if site == "test" else "true"}\n'
    for site in ("us", "eu", "test")
)


def test_settings_are_read_from_a_file(tmp_path: Path) -> None:
    names = credentials() | {"TENDON_AUTH": "dev", "OURA_CLIENT_SECRET": "${HOME}"}
    (tmp_path / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in names.items()), encoding="utf-8")
    run = tendon("providers", cwd=tmp_path, settings={})
    assert all(" yes " in line for line in table(run.stdout)[1:])
    assert tendon("migrate", cwd=tmp_path, settings={}).returncode == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "no +open +set ACME_CLIENT_ID, ACME_CLIENT_SECRET and ACME_API_KEY$"),
        (["CLIENT_ID", "CLIENT_SECRET"], "no +open +no api key: set ACME_API_KEY$"),
        (["CLIENT_ID"], "no +open +no client secret and no api key: set ACME_CLIENT_SECRET and ACME_API_KEY$"),
        (["CLIENT_ID", "CLIENT_SECRET", "API_KEY"], "yes +open$"),
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
