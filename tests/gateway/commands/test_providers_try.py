"""`tendon providers try`: a flow as an author walks through it, with the sandbox in place of the provider."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests import forked
from tests.gateway.settings.reader import PUBLIC
from tests.processes import Process, environment, free_port, tendon
from tests.providers.entries import minimal
from tests.waiting import until

CANARY = "canary-7f3a"


class Trial:
    """The command, while it runs."""

    def __init__(self, folder: Path, arguments: list[str], settings: Mapping[str, str]) -> None:
        self._log = folder / "try.log"
        self.port = free_port()
        command = ["providers", "try", *arguments, "--no-browser"]
        if "--redirect-uri" not in arguments:
            command += ["--port", str(self.port)]
        with self._log.open("wb") as log:
            self.process = forked.start(command, cwd=folder, env=environment(**settings), stdout=log, stderr=log)

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    async def url(self) -> str:
        """The address that the user is asked to open."""
        await until(lambda: "paste the address" in self.said or self.process.poll() is not None, "the address")
        (found,) = re.findall(r"^https?://\S+$", self.said, re.MULTILINE)
        return found

    async def decide(self, decision: str = "approve") -> int:
        """Decide as the user, and return the exit status."""
        url = await self.url()
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as browser:
            page = await browser.get(f"{url}&decision={decision}&account=sam")
        assert "Look at the terminal" in page.text
        return self.process.wait(60)


@contextmanager
def trying(folder: Path, *arguments: str, **settings: str) -> Generator[Trial]:
    trial = Trial(folder, list(arguments), settings)
    try:
        yield trial
    finally:
        trial.process.kill()


async def test_without_credentials_the_sandbox_plays_the_provider(tmp_path: Path) -> None:
    with trying(tmp_path, "strava", "--revoke", "--record", "samples") as trial:
        assert await trial.decide() == 0
        said = trial.said
    assert said.startswith(
        "Trying Strava at the sandbox, which imitates it by its entry. To try it at Strava itself, set "
    )
    steps = re.findall(r"^\d\. (.+)$", said, re.MULTILINE)
    assert steps == [
        "Authorization request",
        "Redirect",
        "Token request",
        "Refresh",
        "Errors for the samples",
        "Revocation",
    ]
    assert "Nothing differs from the entry." in said
    answer = json.loads((tmp_path / "samples" / "answers" / "strava.json").read_text())
    assert set(answer) == {"now", "status", "body", "expected", "refresh"}
    errors = json.loads((tmp_path / "samples" / "errors" / "strava.json").read_text())
    assert [error["name"] for error in errors] == ["a made-up code", "a made-up refresh token", "a revocation"]


async def test_a_provider_that_requires_a_signature(tmp_path: Path) -> None:
    """At the sandbox, which gets a key that is made up."""
    text = minimal("acme").replace("[token]", "[token]\nauth = 'private_key_jwt'\nalgorithm = 'ES256'")
    (tmp_path / "acme.toml").write_text(text, encoding="utf-8")
    with trying(tmp_path, "--file", "acme.toml") as trial:
        assert await trial.decide() == 0
        said = trial.said
    assert "set ACME_CLIENT_ID and TENDON_CLIENT_KEYS" in said
    assert "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer" in said
    assert "eyJ" not in said


async def test_with_credentials_of_an_own_app(tmp_path: Path) -> None:
    """The provider is a sandbox of its own, and the entry a file."""
    port = free_port()
    redirect_uri = f"http://127.0.0.1:{port}/back"
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "acme.toml").write_text(minimal("acme").replace("[token]", "scopes = ['sleep']\n[token]"))
    settings = {"TENDON_CATALOGUE": "own", "ACME_CLIENT_ID": "known", "ACME_CLIENT_SECRET": CANARY}
    arguments = ["--redirect-uri", redirect_uri, "--write-catalogue", "pointed"]
    provider = Process("sandbox", *arguments, folder=tmp_path, settings=settings)
    del settings["TENDON_CATALOGUE"]
    try:
        with trying(tmp_path, "--file", "pointed/acme.toml", "--redirect-uri", redirect_uri, **settings) as trial:
            assert await trial.decide() == 0
            said = trial.said
    finally:
        provider.kill()
    assert f"must have registered: {redirect_uri}" in said
    assert CANARY not in said
    assert "There is no terminal to answer" in said
    assert "4. " not in said
    assert "- there is no id" not in said
    assert "paths in the token answer that look like an id" not in said


async def test_a_refusal(tmp_path: Path) -> None:
    with trying(tmp_path, "strava") as trial:
        assert await trial.decide("deny") == 1
        assert "The provider says `access_denied`" in trial.said


async def test_a_redirect_of_another_flow_is_ignored(tmp_path: Path) -> None:
    with trying(tmp_path, "fitbit") as trial:
        await trial.url()
        async with httpx.AsyncClient(trust_env=False) as browser:
            await browser.get(f"http://127.0.0.1:{trial.port}/callback?code=x&state={CANARY}")
        await until(lambda: "It is ignored" in trial.said, "the redirect")
        assert await trial.decide() == 0
        assert CANARY not in trial.said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "SLUG: the catalogue has no nobody"),
        (["stravva"], "SLUG: the catalogue has no stravva: did you mean strava?"),
        (["apple_health"], "SLUG: Apple Health can't be connected: "),
        ([], "SLUG or --file must be given"),
        (["strava", "--file", "acme.toml"], "--file: is not an entry for strava"),
        (["--file", "acme.toml"], "acme.toml: can't be read"),
        (["strava", "--site", "us"], "--site: strava has no sites"),
        (["strava", "--redirect-uri", "http://127.0.0.1:x/"], "--redirect-uri: has a port that is no number"),
    ],
)
def test_what_cannot_be_tried(tmp_path: Path, arguments: list[str], said: str) -> None:
    run = tendon("providers", "try", *arguments, cwd=tmp_path, settings={})
    assert (run.returncode, run.stdout) == (2, "")
    assert said in run.stderr


def test_credentials_that_cannot_be_sent(tmp_path: Path) -> None:
    settings = {"STRAVA_CLIENT_ID": "x", "STRAVA_CLIENT_SECRET": f"{CANARY} "}
    run = tendon("providers", "try", "strava", cwd=tmp_path, settings=settings)
    assert run.returncode == 2
    assert "STRAVA_CLIENT_SECRET: begins or ends with white space: remove it" in run.stderr
    assert CANARY not in run.stderr


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        run = tendon("providers", "try", "strava", "--port", str(port), cwd=tmp_path, settings={})
    assert run.returncode == 2
    assert f"--port: can't listen on {port}: Address already in use; choose another one" in run.stderr


async def test_a_public_client_and_one_of_several_sites(tmp_path: Path) -> None:
    sites = (
        "[variables]\nhost = 'public'\n[sites.us]\nname = 'US'\n[sites.eu]\nname = 'EU'\nvariables = {host = 'eu'}\n"
    )
    (tmp_path / "public.toml").write_text(PUBLIC + sites, encoding="utf-8")
    with trying(tmp_path, "--file", "public.toml", "--site", "eu") as trial:
        assert await trial.decide() == 0
        assert "(site eu) at the sandbox, which" in trial.said
    run = tendon("providers", "try", "--file", "public.toml", "--site", "xx", cwd=tmp_path, settings={})
    assert "--site: must be one of us, eu" in run.stderr
