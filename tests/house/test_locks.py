"""The locks: each pins the packages for its purpose, all pin the same versions, and none for tests is needed to run."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions

import pytest

from tendon_cli import PACKAGES
from tests.house.test_house import ROOT

RUNTIME, BUILD, DEV = "requirements.lock", "requirements-build.lock", "requirements-dev.lock"
FUZZ = "requirements-fuzz.lock"
# A pin with its hashes, without the comments that name the requiring package.
_PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9.-]*)==\S+.*(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+$", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    found = {match["name"]: match[0] for match in _PIN.finditer(text)}
    assert len(found) == len(re.findall(r"^[^ #\n]", text, re.MULTILINE)), f"{lock} has lines of another kind"
    return found


@cache
def distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[^\w.-]", requirement)[0]) for requirement in requirements}


def test_all_locks_agree() -> None:
    everything = pins(DEV)
    assert pins(RUNTIME).items() <= everything.items()
    assert pins(BUILD).items() <= everything.items()


def test_each_lock_has_what_it_is_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    development = wanted([entry for entry in groups["dev"] if isinstance(entry, str)])
    assert wanted(project["project"]["dependencies"]) <= pins(RUNTIME).keys()
    assert wanted(groups["build"]) <= pins(BUILD).keys()
    assert development <= pins(DEV).keys()
    assert (development | wanted(groups["build"])) & pins(RUNTIME).keys() == set()


def test_the_fuzzer_is_pinned_for_every_python_and_installed_by_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    text = (ROOT / FUZZ).read_text(encoding="utf-8")
    pinned = re.findall(
        r"^([a-z0-9-]+)==\S+ ; (.+?) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE
    )
    assert {name for name, _, _ in pinned} == wanted(project["dependency-groups"]["fuzz"])
    assert {marker for _, marker, _ in pinned} == {"python_full_version < '3.12'", "python_full_version >= '3.12'"}
    assert len(pinned) == len(re.findall(r"^[^ #\n]", text, re.MULTILINE))
    assert "atheris" not in pins(DEV)


@pytest.mark.parametrize("package", PACKAGES)
def test_what_serves_imports_nothing_of_the_tests(package: str) -> None:
    """Including late imports, and those for other platforms."""
    names = {
        name
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imported(node)
    }
    foreign = names - set(sys.stdlib_module_names) - set(PACKAGES) - {"_typeshed"}
    missing = {name for name in foreign if not {*map(normal, distributions()[name])} & pins(RUNTIME).keys()}
    assert missing == set()


def _imported(node: ast.AST) -> list[str]:
    """The top-level packages in an import statement."""
    match node:
        case ast.Import(names):
            return [alias.name.partition(".")[0] for alias in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module.partition(".")[0]]
        case _:
            return []
