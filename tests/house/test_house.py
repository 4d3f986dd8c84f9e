"""The repository as a whole: its packages are Tendon's own, files are small, and no registry or machine is named."""

from __future__ import annotations

import importlib
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tendon_cli import PACKAGES

ROOT = Path(__file__).parents[2]


@cache
def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout, so the tracked files are unknown")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_tendons_own(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(ROOT)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_says_what_it_contains(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        if "migrations" in path.parts:
            continue
        assert path.read_text(encoding="utf-8").lstrip().startswith('"""'), path


def test_no_registry_is_named() -> None:
    # Spelt so that this file doesn't name them, either.
    hosts = re.compile(r"p[y]pi[.]org|p[y]thonhosted|n[p]mjs[.]|deb[.]d[e]bian")
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        assert not hosts.search(text), path


def test_nothing_private_or_generated_is_committed() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in tracked()}
    assert not [
        name for name in names if re.search(r"(^|/)(uv\.lock|\.env|\.venv|\.tendon|node_modules)(/|$)|\.db$", name)
    ]


def test_no_file_is_over_300_lines() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert long == {}
