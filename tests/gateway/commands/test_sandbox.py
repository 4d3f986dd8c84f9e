"""The sandbox as a command: what it refuses, and where it redirects users."""

from __future__ import annotations

import tomllib
from pathlib import Path

import httpx
import pytest

from providers.catalogue import BUILT_IN
from tests.conftest import SLUGS
from tests.gateway.settings.reader import PUBLIC
from tests.processes import Process, tendon

CANARY = "canary-7f3a"


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
        ("good", ["--set", "access_life"], "--set: entry 1 must be NAME=VALUE"),
        ("good", ["--set", "access_life=1", "--set", "nobody.access_life=1"], "--set: entry 2 must be"),
        ("good", ["--set", "colour=red"], "--set: entry 1: colour is not a setting"),
        ("good", ["--set", f"access_life={CANARY}"], "--set: entry 1: access_life is not valid"),
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
    assert CANARY not in run.stderr


def test_how_providers_behave_from_the_start(tmp_path: Path) -> None:
    options = ["access_life=30", "strava.access_life=20", "reuse=refused", "fitbit.refresh_idle=null"]
    arguments = [part for option in options for part in ("--set", option)]
    sandbox = Process("sandbox", *arguments, folder=tmp_path, settings={})
    try:
        settings = httpx.get(f"{sandbox.origin}/_control/settings", trust_env=False).json()
    finally:
        sandbox.kill()
    lives = {key.partition("/")[0]: one["access_life"] for key, one in settings.items()}
    assert lives == dict.fromkeys(SLUGS, 30) | {"strava": 20}
    assert {one["reuse"] for one in settings.values()} == {"refused"}
    assert settings["withings"]["refresh_grace"] == 28800


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


def test_the_catalogue_that_the_sandbox_writes(tmp_path: Path) -> None:
    """Every entry, the operator's in place of ours, with the addresses of this sandbox, which knows each as the client
    whose credentials are set."""
    own = tmp_path / "own"
    own.mkdir()
    ours = (BUILT_IN / "fitbit.toml").read_text(encoding="utf-8")
    (own / "fitbit.toml").write_text(ours.replace('name = "Fitbit"', 'name = "Our Fitbit"'), encoding="utf-8")
    (own / "public.toml").write_text(PUBLIC, encoding="utf-8")
    settings = {"TENDON_CATALOGUE": "own", "FITBIT_CLIENT_ID": "known", "FITBIT_CLIENT_SECRET": CANARY}
    sandbox = Process("sandbox", "--write-catalogue", "new/folder", folder=tmp_path, settings=settings)
    try:
        written = {path.stem: path.read_text(encoding="utf-8") for path in (tmp_path / "new" / "folder").iterdir()}
        assert sorted(written) == sorted([*SLUGS, "public"])
        entries = {slug: tomllib.loads(text) for slug, text in written.items()}
        assert entries["fitbit"]["name"] == "Our Fitbit"
        for entry in entries.values():
            for part in ("authorize", "token"):
                assert entry[part]["url"].startswith(f"{sandbox.origin}/")
        assert "{origin}" not in "".join(written.values())
        assert "The catalogue was written to new/folder" in sandbox.said
        with httpx.Client(trust_env=False) as client:
            for slug, credentials, error in (
                ("fitbit", ("known", CANARY), "invalid_grant"),
                ("fitbit", ("tendon", "sandbox"), "invalid_client"),
                ("sandbox", ("tendon", "sandbox"), "invalid_grant"),
                ("sandbox", ("tendon", "other"), "invalid_client"),
                ("sandbox", ("known", "sandbox"), "invalid_client"),
            ):
                form = {"grant_type": "authorization_code", "code": "x", "redirect_uri": "https://app.example/"}
                answer = client.post(entries[slug]["token"]["url"], data=form, auth=credentials)
                assert error in answer.text, (slug, credentials)
    finally:
        assert sandbox.stop() == 0


def test_the_sandbox_writes_nothing_unless_it_is_told_to(tmp_path: Path) -> None:
    sandbox = Process("sandbox", "--host", "localhost", folder=tmp_path, settings={})
    assert sandbox.stop() == 0
    assert "The catalogue was written" not in sandbox.said
    assert list(tmp_path.iterdir()) == [sandbox.log]


def test_the_sandbox_writes_our_catalogue_when_there_is_no_other(tmp_path: Path) -> None:
    sandbox = Process("sandbox", "--write-catalogue", str(tmp_path), folder=tmp_path, settings={})
    assert sandbox.stop() == 0
    assert sorted(path.stem for path in tmp_path.glob("*.toml")) == SLUGS
