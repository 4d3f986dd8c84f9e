"""GraphQL over HTTP as its working group audits it: the npm package graphql-http against the running gateway."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from tests.processes import Process

HERE = Path(__file__).parent
_INSTALL = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
# A machine without a network is not kept waiting.
_AT_ONCE = ["--prefer-offline", "--fetch-retries=0", "--fetch-timeout=10000"]


def missing(reason: str) -> NoReturn:
    refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    refuse(f"{reason} GraphQL over HTTP stays unaudited.")


@pytest.fixture
def node() -> str:
    return shutil.which("node") or missing("No Node.js: `apt-get install nodejs npm`.")


@pytest.fixture
def audits(node: str, tmp_path: Path) -> Path:
    """The folder of the audits with their packages: this one where `npm install` was run, else a copy."""
    if (HERE / "node_modules").is_dir():
        return HERE
    npm = shutil.which("npm") or missing("No npm: `apt-get install npm`.")
    for name in ("package.json", "audit.mjs"):
        shutil.copy(HERE / name, tmp_path)
    installed = subprocess.run([npm, *_INSTALL, *_AT_ONCE], cwd=tmp_path, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        missing(f"npm can't install the audits: {' '.join(installed.stderr.split())[:200]}.")
    return tmp_path


def test_every_audit_passes(node: str, audits: Path, any_gateway: Process) -> None:
    command = [node, "audit.mjs", f"{any_gateway.origin}/graphql"]
    ran = subprocess.run(command, cwd=audits, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    results = json.loads(ran.stdout)
    assert [result for result in results if result["status"] != "ok"] == []
    assert len({result["id"] for result in results}) == 61
