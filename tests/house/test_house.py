"""The house itself: each room is ours, nothing of a registry or a machine is written down, files stay small."""

from __future__ import annotations

import importlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ["gateway", "models", "providers", "resolvers", "rest", "sandbox", "schema", "web", "wire"]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout: there is no list of files to look through")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_ours(room: str) -> None:
    module = importlib.import_module(room)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(ROOT)


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_says_what_lives_there(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        if "migrations" in path.parts:
            continue
        assert path.read_text(encoding="utf-8").lstrip().startswith('"""'), path


def test_no_registry_is_named() -> None:
    # Spelt so that this file does not name them either.
    hosts = re.compile(r"p[y]pi[.]org|p[y]thonhosted|n[p]mjs[.]|deb[.]d[e]bian")
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        assert not hosts.search(text), path


def test_what_must_not_be_committed_is_not() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in tracked()}
    assert not [
        name for name in names if re.search(r"(^|/)(uv\.lock|\.env|\.venv|\.tendon|node_modules)(/|$)|\.db$", name)
    ]


def test_files_stay_small_enough_to_hold_in_the_head() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert long == {}
