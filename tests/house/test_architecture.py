"""Compares `docs/architecture.md` with the code: its picture, its table, and the functions that a callback passes."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name

import pytest

from tendon_cli import PACKAGES
from tests.house.once import once
from tests.house.test_house import ROOT
from tests.processes import environment, free_port, tendon

DOCUMENT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CALLBACK_TRACE = Path(__file__).with_name("callback_trace.py")
# What one callback passes, with the two requests to the sandbox, which the same process serves. They stand for how
# easily it is followed, so lower them when the code allows it, and don't make the code worse for their sake. Among the
# changes are the calls of our own slots and deadlines (`wire/waiting.py`). Those of asyncio's would not be counted.
MOST_FILES = 40
MOST_FILE_CHANGES = 164

Call = tuple[str, str]
"""A file and a function."""


def imported(path: Path) -> set[str]:
    """The top-level modules that a file imports. Imports inside functions and for type checkers count, too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def imports_of(package: str) -> set[str]:
    found = {name for path in (ROOT / package).rglob("*.py") for name in imported(path)}
    return found - {package, "_typeshed"} - sys.stdlib_module_names


def drawn_arrows() -> dict[str, set[str]]:
    picture = re.search(r"```mermaid\ngraph TD\n(.*?)```", DOCUMENT, re.DOTALL)
    assert picture
    rows = re.findall(r'^ *(\w+)(?:\[".*?"\])? --> (.+)$', picture[1], re.MULTILINE)
    assert len(rows) == len(picture[1].splitlines())
    return {package: set(targets.split(" & ")) for package, targets in rows}


def test_the_picture_has_the_imports_between_packages() -> None:
    imports = {package: imports_of(package) & set(PACKAGES) for package in PACKAGES}
    imports["tendon_cli"] = imported(ROOT / "tendon_cli.py") & set(PACKAGES)
    assert drawn_arrows() == {package: targets for package, targets in imports.items() if targets}


def table() -> dict[str, tuple[set[str], set[str]]]:
    """What each package may import, and its libraries."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|([^|]*)\|$", DOCUMENT, re.MULTILINE)
    return {name: (_packages(may, name), set(re.findall(r"`(\w+)`", libraries))) for name, may, libraries in rows}


def _packages(cell: str, package: str) -> set[str]:
    names = PACKAGES if cell.strip() == "every package" else re.findall(r"`(\w+)`", cell)
    return {name for name in names if name != package}


def allowed_imports() -> dict[str, set[str]]:
    """What import-linter lets each package import directly."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    allowed: dict[str, set[str]] = {}
    below: set[str] = set()
    for layer in reversed(layers):
        names = set(layer.split(" | "))
        allowed |= {name: set(below) for name in names}
        below |= names
    for contract in contracts:
        # Some contracts are about single modules.
        for name in allowed.keys() & contract.get("source_modules", ()):
            allowed[name] -= set(contract["forbidden_modules"])
    return allowed


def test_the_table_has_the_imports_that_the_linter_allows() -> None:
    assert {name: may for name, (may, _) in table().items()} == allowed_imports()


@pytest.mark.parametrize("package", PACKAGES)
def test_the_table_has_the_libraries_of_a_package(package: str) -> None:
    libraries = {name.removesuffix("_core") for name in imports_of(package)} - set(PACKAGES)
    assert table()[package][1] == libraries


def functions(text: str) -> list[Call]:
    """The functions that the text links to."""
    links = re.findall(r"\[`([\w.]+)`\]\(\.\./([\w/]+)\.py\)", text)
    return [(f"{path}.py", name.removeprefix(f"{path.replace('/', '.')}.")) for name, path in links]


def steps() -> list[Call]:
    """The functions of the numbered steps, in their order."""
    numbered = re.findall(r"^\d+\. \*\*(?:.|\n {3})+", DOCUMENT, re.MULTILINE)
    named = [functions(step) for step in numbered]
    assert len(numbered) > 10
    assert all(named)
    return [function for step in named for function in step]


def test_the_functions_in_the_document_exist() -> None:
    for file, function in functions(DOCUMENT):
        assert callable(resolve_name(f"{file.removesuffix('.py').replace('/', '.')}:{function}"))


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """The calls of a real callback, in their order."""
    file = once(tmp_path_factory, "callback", _record_callback) / "calls.json"
    return [(path, function) for path, function in json.loads(file.read_text(encoding="utf-8"))]


def _record_callback(folder: Path) -> None:
    settings = {"TENDON_AUTH": "dev", "TENDON_DATABASE_URL": "sqlite://tendon.db"}
    migrated = tendon("migrate", cwd=folder, settings=settings)
    assert migrated.returncode == 0, migrated.stderr
    run = subprocess.run(
        [sys.executable, CALLBACK_TRACE, str(free_port()), "calls.json"],
        cwd=folder,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_a_callback_passes_the_functions_of_the_steps_in_their_order(calls: list[Call]) -> None:
    rest = iter(calls)
    missed = [step for step in steps() if step not in rest]
    assert missed[:1] == [], "this function is not called after the ones before it"


def _entered(calls: list[Call]) -> Iterator[str]:
    """Each file that is called from another one."""
    before = ""
    for file, _ in calls:
        if file != before:
            yield file
        before = file


def test_a_callback_passes_few_files(calls: list[Call]) -> None:
    """Each file is one more to read, and each change of file a jump, for everybody who follows a callback."""
    entered, called = Counter(_entered(calls)), Counter(file for file, _ in calls)
    changes = entered.total() - 1
    rows = [f"{count:4} calls, entered {entered[file]:2} times: {file}" for file, count in called.most_common()]
    report = "\n".join([f"{len(called)} files, {changes} changes of file:", *rows])
    assert len(called) <= MOST_FILES, report
    assert changes <= MOST_FILE_CHANGES, report
