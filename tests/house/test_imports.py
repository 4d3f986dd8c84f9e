"""No module imports, directly or through others, a module that imports it. Imports inside functions don't count."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tendon_cli import PACKAGES
from tests.house.test_house import ROOT


def modules(*packages: str) -> dict[str, Path]:
    """The files of the packages by their module's name."""
    paths = [path.relative_to(ROOT) for package in packages for path in (ROOT / package).rglob("*.py")]
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): ROOT / path for path in paths}


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All that runs when the module is imported, and the imports for type checkers."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from statements(child)


def imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    for statement in statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            for alias in statement.names:
                module = f"{statement.module}.{alias.name}"
                yield module if module in known else statement.module


def circle(imports: dict[str, set[str]]) -> list[str]:
    """The modules of one circle, the first repeated at the end; none if there is no circle."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as found:
        return found.args[1]
    return []


@pytest.mark.parametrize("packages", [PACKAGES, ["benchmarks"], ["tests"]], ids=["packages", "benchmarks", "tests"])
def test_there_are_no_import_circles(packages: list[str]) -> None:
    known = modules(*packages)
    assert circle({name: set(imported(path, known)) & known.keys() for name, path in known.items()}) == []


def test_a_circle_would_be_found(tmp_path: Path) -> None:
    sources = {"one": "import two", "two": "if True:\n    from three import x", "three": "def x():\n    import one"}
    known = {name: tmp_path / f"{name}.py" for name in sources}
    for name, path in known.items():
        path.write_text(sources[name], encoding="utf-8")
    assert circle({name: set(imported(path, known)) for name, path in known.items()}) == []
    known["three"].write_text("from one import two", encoding="utf-8")
    assert circle({name: set(imported(path, known)) for name, path in known.items()}) == ["one", "three", "two", "one"]
