"""A provider that is not ours: the npm package oidc-provider, as `server.mjs` sets it up."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import IO, NoReturn

import httpx
import pytest

from tests.conftest import REDIRECT_URI
from tests.processes import Process
from tests.sandbox_control import Sandbox
from tests.torture.life.world import ACCESS_LIFE, Provider

HERE = Path(__file__).parent
SLUG = "foreign"
_ID, _SECRET = "client-foreign", "a-secret-of-the-foreign-provider"
_INSTALL = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
# A machine without a network is not kept waiting.
_AT_ONCE = ["--prefer-offline", "--fetch-retries=0", "--fetch-timeout=10000"]
_ENTRY = """
slug = "{slug}"
name = "Foreign"
docs = "https://github.com/panva/node-oidc-provider"
[authorize]
url = "{origin}/auth"
scopes = ["openid"]
iss = "{origin}"
[token]
url = "{origin}/token"
[account]
url = "{origin}/me"
field = "sub"
[revoke]
url = "{origin}/token/revocation"
auth = "client_secret_basic"
token = "refresh_token"
ends = "token"
"""


def missing(reason: str) -> NoReturn:
    refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    refuse(f"{reason} Nothing is tested with a provider that is not ours.")


def installed(folder: Path) -> Path:
    """A folder with the server and its packages: this one where `npm install` was run, else `folder`. Skips the test
    where they can't be had, and fails it in CI."""
    if shutil.which("node") is None:
        missing("No Node.js: `apt-get install nodejs npm`.")
    if (HERE / "node_modules").is_dir():
        return HERE
    npm = shutil.which("npm") or missing("No npm: `apt-get install npm`.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "server.mjs"):
        shutil.copy(HERE / name, folder)
    done = subprocess.run([npm, *_INSTALL, *_AT_ONCE], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        missing(f"npm can't install the provider: {' '.join(done.stderr.split())[:200]}.")
    return folder


class Server(Process):
    """The server in `packages`, until it is killed."""

    def __init__(self, folder: Path, packages: Path) -> None:
        self._packages = packages
        super().__init__("foreign", folder=folder, settings={})

    def _open(self, own: dict[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        arguments = [str(self.port), _ID, _SECRET, REDIRECT_URI, str(ACCESS_LIFE)]
        command = ["node", "server.mjs", *arguments]
        return subprocess.Popen(command, cwd=self._packages, env=own, stdout=log, stderr=log)


class ForeignControl(Sandbox):
    """Answers to what a run asks the sandbox for. There is nothing to set."""

    async def approve(self, url: str, decision: str = "approve", **more: str) -> dict[str, str]:
        """Follow the redirects as a browser does, with its cookies, and as a user who has no session yet."""
        assert decision == "approve"
        query = {**httpx.URL(url).params, "login_hint": more["account"], "prompt": "consent"}
        async with httpx.AsyncClient(trust_env=False, timeout=30) as browser:
            response = await browser.get(url, params=query)
            while not response.headers.get("location", "").startswith(REDIRECT_URI):
                assert response.has_redirect_location, response.text
                response = await browser.get(httpx.URL(url).join(response.headers["location"]))
        return dict(httpx.URL(response.headers["location"]).params)


def start(folder: Path, catalogue: Path, packages: Path | None = None) -> Provider:
    """A running server, and the entry for it in `catalogue`."""
    server = Server(folder, packages or installed(folder / "packages"))
    catalogue.mkdir(parents=True)
    (catalogue / f"{SLUG}.toml").write_text(_ENTRY.format(slug=SLUG, origin=server.origin), encoding="utf-8")
    settings = {"FOREIGN_CLIENT_ID": _ID, "FOREIGN_CLIENT_SECRET": _SECRET}
    return Provider(server, (SLUG,), frozenset({SLUG}), settings, ForeignControl)
