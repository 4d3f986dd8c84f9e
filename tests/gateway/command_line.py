"""Runs commands of Tendon to their end, without waiting for their imports."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.forked import run
from tests.processes import environment


def tendon(*arguments: str, cwd: Path, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return run(arguments, cwd=cwd, env=environment(**settings))
