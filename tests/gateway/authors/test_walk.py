"""A flow with each entry of the catalogue, at a sandbox that does what the entry says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.authors.redirect import Arrivals
from gateway.authors.shown import leaves
from gateway.authors.tracing import TracingClient
from gateway.authors.walk import Choices, Walk
from providers.catalogue import Credentials, read_catalogue
from tests.conftest import REDIRECT_URI, SECRET, SLUGS, further_secrets
from tests.processes import Process
from tests.sandbox_control import Sandbox

SECRETS = ("access_token", "refresh_token", "code", "id_token")


class Flow:
    """A walk, and whoever plays the user."""

    def __init__(self, process: Process, sandbox: Sandbox, slug: str) -> None:
        catalogue = read_catalogue(process.folder / "catalogue", variables={}, allow_private=True)
        credentials = Credentials(f"client-{slug}", SECRET, further_secrets(slug))
        self.entry = next(iter(catalogue[slug].at_sites.values()), catalogue[slug])
        self.client = TracingClient(allow_private=True)
        self.lines: list[str] = []
        self.questions: list[str] = []
        self._sandbox = sandbox
        self._url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._walk = Walk(self.entry, credentials, self.client, self._say, self._ask)
        self._arrivals = Arrivals(asyncio.Queue(), asyncio.Queue())

    @property
    def said(self) -> str:
        return "\n".join(self.lines)

    def _say(self, line: str) -> None:
        self.lines.append(line)
        if line.startswith("\nhttp"):
            self._url.set_result(line.strip())

    async def _ask(self, question: str) -> bool:
        self.questions.append(question)
        return False

    async def run(
        self, *, refreshes: bool | None = True, revokes: bool = True, records: Path | None = None, typed: bool = False
    ) -> bool:
        choices = Choices(REDIRECT_URI, browser=False, refreshes=refreshes, revokes=revokes, records=records)
        walking = asyncio.create_task(self._walk.run(choices, self._arrivals))
        back = await self._sandbox.approve(await self._url)
        if typed:
            query = "&".join(f"{name}={value}" for name, value in back.items())
            self._arrivals.typed.put_nowait(f"{REDIRECT_URI}?{query}")
        else:
            self._arrivals.redirects.put_nowait(back)
        try:
            return await walking
        finally:
            await self.client.aclose()

    def secrets(self) -> Iterator[str]:
        """All codes and tokens that were sent or answered."""
        for exchanged in self.client.exchanged:
            yield from (value for name, value in exchanged.sent.form if name in SECRETS)
            yield from _secrets(exchanged.document)


def _secrets(document: Any) -> Iterator[str]:
    for path, value in leaves(document):
        if path.rpartition(".")[2] in SECRETS and isinstance(value, str):
            yield value


def _samples(folder: Path) -> list[str]:
    return [path.read_text("utf-8") for path in sorted(folder.glob("*/*.json"))]


@pytest.mark.parametrize("slug", SLUGS)
async def test_nothing_differs_and_nothing_secret_is_shown(
    sandbox_process: Process, sandbox: Sandbox, tmp_path: Path, slug: str
) -> None:
    flow = Flow(sandbox_process, sandbox, slug)
    assert await flow.run(records=tmp_path), flow.said
    assert "Nothing differs from the entry." in flow.said, flow.said
    secrets = {secret for secret in flow.secrets() if not secret.startswith("made-up")}
    assert len(secrets) >= 2
    files = _samples(tmp_path)
    assert len(files) == 2
    for text in (flow.said, *files):
        assert [secret for secret in {*secrets, SECRET} if secret in text] == []


async def test_a_refresh_that_nobody_wants(sandbox_process: Process, sandbox: Sandbox) -> None:
    flow = Flow(sandbox_process, sandbox, "fitbit")
    assert await flow.run(refreshes=None, revokes=False)
    assert flow.questions == ["\nRefresh now? It uses the refresh token. [y/N]"]
    assert [exchanged.sent.form[0][1] for exchanged in flow.client.exchanged] == ["authorization_code"]


async def test_the_address_of_a_redirect_can_be_typed(sandbox_process: Process, sandbox: Sandbox) -> None:
    flow = Flow(sandbox_process, sandbox, "fitbit")
    assert await flow.run(refreshes=False, revokes=False, typed=True)


async def test_an_answer_that_tendon_cannot_read(sandbox_process: Process, sandbox: Sandbox) -> None:
    flow = Flow(sandbox_process, sandbox, "whoop")
    await sandbox.answer("whoop", json.dumps({"data": {"access_token": "s3cr3t", "token_type": "bearer"}}))
    assert not await flow.run()
    assert '- access_token is at data.access_token: write root = "data" in [token]' in flow.said
    assert "s3cr3t" not in flow.said


async def test_a_provider_cannot_control_the_terminal(sandbox_process: Process, sandbox: Sandbox) -> None:
    flow = Flow(sandbox_process, sandbox, "whoop")
    await sandbox.answer("whoop", json.dumps({"\x1b[2J": {"access_token": "s3cr3t"}}))
    assert not await flow.run()
    assert "access_token is at ?[2J.access_token" in flow.said
    assert "\x1b" not in flow.said
