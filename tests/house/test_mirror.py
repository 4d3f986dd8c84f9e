"""Where the tests of a module are: those of `rest/paths.py` are `tests/rest/test_paths.py`, or `test_paths_<aspect>.py`
beside it. A package whose modules are tested together has its own name: `tests/schema/plans/test_plans.py`.

What is tested from outside, through a running service, is in `OUTSIDE`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tendon_cli import PACKAGES
from tests.house.test_house import ROOT

OUTSIDE = {
    "audits",  # of GraphQL over HTTP, by tools of others
    "browser",  # the pages in a real browser
    "contract",  # every entry of the catalogue, in every operation
    "failover",  # a primary and a standby, proxies and poolers, and what happens to them
    "flow",  # what users and their apps do, through both interfaces
    "fuzz",  # readers of untrusted input, beside their references
    "house",  # the repository itself
    "model",  # how tokens are refreshed and connections end, explored exhaustively
    "mutants",  # the tests, by faults that they must notice
    "serving",  # processes: how they start, stop, fail and are reached
    "torture",  # random operations and faults, and a check of the recorded history
}
MIRRORED = [*PACKAGES, "benchmarks"]
TESTS = ROOT / "tests"
# Generated, and tested as a whole by the tests of models/migrating.py.
UNTESTED = {"models/migrations"}


def modules_of_tests(folder: Path) -> list[Path]:
    return sorted(folder.rglob("test_*.py"))


def is_named_after_a_module(path: Path, root: Path) -> bool:
    """Whether the name of a test module, and its folder, are those of a module or package in `root`."""
    folder = root / path.relative_to(root / "tests").parent
    names = {module.stem for module in folder.glob("*.py")} - {"__init__"}
    # A package is tested in its own folder.
    names |= {folder.name} if names else set()
    tested = path.stem.removeprefix("test_")
    return any(tested == name or tested.startswith(f"{name}_") for name in names)


def test_every_folder_of_tests_is_known() -> None:
    folders = {path.relative_to(TESTS).parts[0] for path in modules_of_tests(TESTS)}
    assert folders == {*MIRRORED, *OUTSIDE}


@pytest.mark.parametrize("package", MIRRORED)
def test_tests_have_the_name_of_what_they_test(package: str) -> None:
    others = [path for path in modules_of_tests(TESTS / package) if not is_named_after_a_module(path, ROOT)]
    assert [path.relative_to(ROOT).as_posix() for path in others] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_tests(package: str) -> None:
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / package).rglob("*.py")}
    without = {folder.as_posix() for folder in folders if not list((TESTS / folder).glob("test_*.py"))}
    assert without - UNTESTED == set()


@pytest.mark.parametrize(
    ("path", "fits"),
    [
        ("tests/rest/test_paths.py", True),
        ("tests/rest/test_paths_encoded.py", True),
        ("tests/rest/sub/test_sub.py", True),
        ("tests/rest/sub/test_sub_together.py", True),
        ("tests/rest/test_pathsencoded.py", False),
        ("tests/rest/test_other.py", False),
        ("tests/rest/sub/test_paths.py", False),
        ("tests/other/test_paths.py", False),
        ("tests/other/test_other.py", False),
    ],
)
def test_a_misplaced_test_would_be_found(tmp_path: Path, path: str, *, fits: bool) -> None:
    for module in ("rest/__init__.py", "rest/paths.py", "rest/sub/__init__.py", "rest/sub/module.py"):
        (tmp_path / module).parent.mkdir(exist_ok=True)
        (tmp_path / module).touch()
    assert is_named_after_a_module(tmp_path / path, tmp_path) == fits
