"""Docs that are checked: a setting, an error or a provider without its line fails, and README's walk-through runs."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from gateway.settings import Settings
from models.engine import parse_url
from models.vault import VaultError, read_keys
from providers.catalogue import BUILT_IN, read_catalogue
from providers.entry.headers import TOKENS, placeholders
from providers.entry.layout import readers_of, tables
from providers.entry.provider import Provider
from rest.json_http import STATUS
from tendon_cli import PACKAGES
from tests.conftest import SLUGS, start_gateway
from tests.processes import Process, tendon
from tests.vault_keys import vault_key
from wire.tables import keys

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md")])


@pytest.mark.parametrize("name", keys(Settings))
def test_every_setting_is_in_the_readme(name: str) -> None:
    table = README.partition("## Settings")[2].partition("\n## ")[0]
    assert f"`TENDON_{name.upper()}`" in table


def test_the_readme_has_no_setting_that_is_not_there() -> None:
    named = set(re.findall(r"TENDON_([A-Z_]+)", README))
    assert named <= {name.upper() for name in keys(Settings)}


def headings(document: Path) -> set[str]:
    """The anchors that GitHub makes from a document's headings."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", document.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        linked = (document.parent / name).resolve() if name else document
        assert linked.exists(), target
        assert not anchor or anchor in headings(linked), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_that_a_document_names_exist(document: Path) -> None:
    folders = "|".join([*PACKAGES, "tests", "benchmarks", "docs", "scripts"])
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", document.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / "Makefile"], ids=str)
def test_no_document_holds_a_key_that_is_taken(path: Path) -> None:
    assert _usable_keys(path.read_text(encoding="utf-8")) == []


def test_a_key_in_a_document_would_be_found() -> None:
    key = vault_key("k1")
    assert _usable_keys(f"export TENDON_VAULT_KEYS='{key}' …") == [key]
    assert _usable_keys(f"{key.partition(':')[2]} is a key") == [f"id:{key.partition(':')[2]}"]
    assert _usable_keys(f"such as k1:{'A' * 43}=") == []


def _usable_keys(text: str) -> list[str]:
    """Every value that a reader could copy into TENDON_VAULT_KEYS."""
    found: list[str] = []
    for key_id, key in re.findall(r"(?:([A-Za-z0-9_-]{1,32}):)?(?<![A-Za-z0-9+/])([A-Za-z0-9+/]{43}=)", text):
        with suppress(VaultError):
            read_keys(f"{key_id or 'id'}:{key}")
            found.append(f"{key_id or 'id'}:{key}")
    return found


def test_every_error_is_in_the_table() -> None:
    rows = dict(
        re.findall(
            r"^\| `([A-Z_]+)` \| (\d+) \|", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"), re.MULTILINE
        )
    )
    assert {code: int(status) for code, status in rows.items()} == STATUS


def test_the_examples_of_the_catalogue_read(tmp_path: Path) -> None:
    for number, document in enumerate((README, (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8"))):
        example = re.search(r"```toml\n(.*?)```", document, re.DOTALL)
        assert example
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "acme.toml").write_text(example[1], encoding="utf-8")
        assert read_catalogue(folder, variables={})["acme"].name == "Acme Ring"


def _binds_codes(entry: Provider) -> bool:
    """Whether the provider is known to accept a code only from the flow that it was issued for (RFC 9700 4.5)."""
    return entry.authorize.pkce == "S256" and entry.authorize.pkce_checked


def test_the_providers_where_a_code_can_be_injected_are_named() -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    found = re.search(r"carries a code challenge, but (.*) are not known to check the verifier", text)
    assert found
    catalogue = read_catalogue(variables={}, allow_private=True)
    unbound = sorted((entry.name for entry in catalogue.values() if not _binds_codes(entry)), key=str.lower)
    assert re.split(r", | and ", found[1]) == unbound


def _has_token_in_url(entry: Provider) -> bool:
    return entry.revoke is not None and not placeholders(entry.revoke.url).isdisjoint(TOKENS)


def test_the_providers_that_demand_a_token_in_a_url_are_named() -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    found = re.search(r"only where the vendor demands it, for a revocation: by (.*?)\. TLS", text)
    assert found
    catalogue = read_catalogue(variables={}, allow_private=True)
    demanding = sorted((entry.name for entry in catalogue.values() if _has_token_in_url(entry)), key=str.lower)
    assert re.split(r", | and ", found[1]) == demanding


@pytest.mark.parametrize("slug", SLUGS)
def test_an_entry_says_what_its_provider_does_with_pkce(slug: str) -> None:
    entry = read_catalogue(variables={}, allow_private=True)[slug]
    notes = entry.notes or ""
    assert _binds_codes(entry) or "PKCE" in notes
    # Omitted only if the provider is known to refuse it, and then the entry names the source.
    assert entry.authorize.pkce == "S256" or "refuse" in notes


def test_every_key_of_the_format_is_in_its_document() -> None:
    text = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert [key for _, kind in tables() for key in readers_of(kind) if not re.search(rf"\b{key}\b", text)] == []


@pytest.mark.parametrize("slug", SLUGS)
def test_every_provider_has_a_recorded_answer(slug: str) -> None:
    entry = tomllib.loads((BUILT_IN / f"{slug}.toml").read_text(encoding="utf-8"))
    assert entry["docs"].startswith("http")
    json.loads((ROOT / "tests" / "providers" / "answers" / f"{slug}.json").read_text(encoding="utf-8"))


def test_the_database_of_the_readme_opens() -> None:
    default = re.search(r"`TENDON_DATABASE_URL` \|.*\| `(.+?)` \|", README)
    assert default
    assert parse_url(default[1])


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Generator[Process]:
    process = start_gateway(tmp_path_factory.mktemp("laptop"), {"TENDON_AUTH": "dev"})
    yield process
    process.kill()


def walk_through(laptop: Process, until: str = "\n## ") -> str:
    section = README.partition("## A connection in a minute")[2].partition(until)[0]
    script = "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))
    return script.replace("http://127.0.0.1:8000", laptop.origin)


def pasted(script: str) -> list[str]:
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_the_walk_through_runs_as_pasted(laptop: Process) -> None:
    authorized, back, *answers = pasted(walk_through(laptop))
    assert json.loads(authorized).keys() == {"url", "state"}
    assert "code=" in back
    by_rest, by_graphql, listed, issued, fetched, ended = map(json.loads, answers)
    assert by_graphql["data"]["completeConnection"]["connection"]["id"] == by_rest["connection"]["id"]
    assert by_graphql["data"]["completeConnection"]["connection"]["provider"] == {"name": "Sandbox"}
    assert listed == {"connections": [by_rest["connection"]]}
    assert issued.keys() == example("accessToken").keys()
    assert issued["apiBase"] == f"{laptop.origin}/sandbox/api"
    assert fetched["scopes"] == issued["scopes"] == example("accessToken")["scopes"]
    assert ended == {"success": True}


def example(member: str) -> dict[str, Any]:
    """The README's answer that begins with the member."""
    found = re.search(rf'```json\n(\{{"{member}".*)\n', README)
    assert found
    return json.loads(found[1])


def test_the_walk_through_after_a_denial(laptop: Process) -> None:
    script = walk_through(laptop, "**List").replace("decision=approve", "decision=deny").replace("alice", "bob")
    _, back, by_rest, by_graphql, *_ = pasted(script)
    assert "error=access_denied" in back
    assert json.loads(by_rest)["error"] == "access_denied"
    assert json.loads(by_graphql)["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"


def test_several_workers_beside_a_sandbox(tmp_path: Path) -> None:
    """With the README's settings for it."""
    block = re.search(r"tendon sandbox &\n(.*?)tendon serve --workers 4", README, re.DOTALL)
    assert block
    settings = dict(re.findall(r"([A-Z_]+)=(\S+)", block[1]))
    assert tendon("migrate", cwd=tmp_path, settings=settings).returncode == 0
    sandbox = Process("sandbox", folder=tmp_path, settings={})
    settings["SANDBOX_ORIGIN"] = settings["SANDBOX_ORIGIN"].replace("http://127.0.0.1:9000", sandbox.origin)
    gateway = Process("serve", "--workers", "2", folder=tmp_path, settings=settings)
    try:
        headers = {"Authorization": "Bearer dev:alice"}
        members = {"provider": "sandbox", "redirectUri": f"{gateway.origin}/connect"}
        with httpx.Client(base_url=gateway.origin, headers=headers, trust_env=False, timeout=30) as client:
            begun = client.post("/v1/connections/authorize", json=members).json()
            back = httpx.get(begun["url"] + "&decision=approve", trust_env=False).headers["location"]
            answer = client.post("/v1/connections/callback", json=members | dict(parse_qsl(urlsplit(back).query)))
        assert (answer.status_code, answer.json()["connection"]["status"]) == (201, "connected")
    finally:
        gateway.stop()
        sandbox.kill()


def test_what_serve_prints_works_as_printed(laptop: Process) -> None:
    call = re.search(r"curl -s .*?\}'", laptop.said, re.DOTALL)
    assert call
    run = subprocess.run(["bash", "-c", call[0]], capture_output=True, text=True, timeout=30, check=False)
    assert json.loads(run.stdout).keys() == {"url", "state"}
