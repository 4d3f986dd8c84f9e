from __future__ import annotations

import re
from pathlib import Path

from benchmarks.installing import ROOT, forget_options_of_python


def test_measured_processes_get_no_options_of_python_from_the_shell() -> None:
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PATH": "/bin", "MYPYTHON": "3"}
    forget_options_of_python(environment)
    assert environment == {"PATH": "/bin", "MYPYTHON": "3"}


def test_packages_of_both_tendon_and_the_peers_have_the_same_version() -> None:
    peers, ours = (_versions(ROOT / path) for path in ("benchmarks/peers/requirements.txt", "requirements.lock"))
    shared = peers.keys() & ours.keys()
    assert shared > {"asyncpg", "cryptography", "httptools", "uvicorn", "uvloop"}
    assert {name: peers[name] for name in shared} == {name: ours[name] for name in shared}


def _versions(path: Path) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==([^\s;\\]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {name.lower().replace("_", "-"): version for name, version in found}
