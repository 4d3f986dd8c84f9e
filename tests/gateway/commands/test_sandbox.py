"""The sandbox as a command: what it refuses, and where it redirects users."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

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
