"""What is drawn, and which tests it has to pass."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.mutants import harmless
from tests.mutants.drawing import draw, packages
from tests.mutants.mutant import mutants_of
from tests.mutants.stages import SKIPPED, all_tests, in_packages, stages_for

ROOT = Path(__file__).parents[2]
FILES = {
    "models/__init__.py": "",
    "models/one.py": "x = 1\n" + "if a: pass\n" * 20,
    "models/engine/two.py": "".join(f"x{number} = {number}\n" for number in range(9)),
    "models/migrations/three.py": "x = 1",
    "tests/models/test_one.py": "",
    "tests/models/test_one_together.py": "",
    "tests/models/test_other.py": "",
    "tests/models/engine/test_engine.py": "",
    "tests/flow/test_flow.py": "",
    "tests/house/test_house.py": "",
    "tests/wire/test_uri.py": "",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_packages(tree: Path) -> None:
    both = {"models": ["models/__init__.py", "models/one.py"], "models/engine": ["models/engine/two.py"]}
    assert packages(tree, ["models"]) == packages(tree, ["models/engine", "models"]) == both
    for unknown in ("nothing", "tests", "models/nothing"):
        with pytest.raises(LookupError, match=unknown):
            packages(tree, [unknown])
    assert "models/migrations" not in packages(ROOT)
    assert {"gateway/http11", "models/engine", "resolvers/callback", "schema/plans"} <= packages(ROOT).keys()


def test_a_draw_depends_on_its_seed_only(tree: Path) -> None:
    modules = packages(tree, ["models"])
    first = draw(tree, modules, 8, 1)
    assert first == draw(tree, modules, 8, 1)
    assert first != draw(tree, modules, 8, 2)
    assert Counter(mutant.package for mutant in first) == {"models": 4, "models/engine": 4}
    assert len({mutant.content for mutant in first}) == 8


def test_rare_kinds_are_drawn(tree: Path) -> None:
    """One in ten is not a condition."""
    drawn = draw(tree, packages(tree, ["models"]), 16, 1)
    assert {mutant.kind for mutant in drawn if mutant.package == "models"} == {"condition", "constant"}


def test_no_more_is_drawn_than_there_is(tree: Path) -> None:
    assert Counter(mutant.package for mutant in draw(tree, packages(tree, ["models"]), 90, 1))["models/engine"] == 17


def test_the_narrowest_tests_come_first(tree: Path) -> None:
    stages = stages_for(tree, "models/one.py")
    own = ("tests/models/test_one.py", "tests/models/test_one_together.py")
    assert [(stage.name, stage.paths, stage.without) for stage in stages] == [
        ("module", own, ()),
        ("folder", ("tests/models",), own),
        ("flow", ("tests/flow",), ()),
        ("others", ("tests/wire",), ()),
    ]
    stages = stages_for(tree, "models/engine/two.py")
    assert [(stage.name, stage.paths, stage.without) for stage in stages] == [
        ("module", ("tests/models/engine/test_engine.py",), ()),
        ("folder", ("tests/models/engine",), ("tests/models/engine/test_engine.py",)),
        ("package", ("tests/models",), ("tests/models/engine",)),
        ("flow", ("tests/flow",), ()),
        ("others", ("tests/wire",), ()),
    ]
    assert all_tests(tree).paths == ("tests/flow", "tests/models", "tests/wire")
    assert in_packages(["models/engine", "wire"]).paths == ("tests/models", "tests/wire")


@pytest.mark.parametrize("module", ["resolvers/callback/claims.py", "rest/paths.py", "gateway/overload/__init__.py"])
def test_each_test_runs_once(module: str) -> None:
    stages = stages_for(ROOT, module)
    files = [
        path
        for stage in stages
        for path in _files(stage.paths)
        if not any(path.is_relative_to(ROOT / without) for without in stage.without)
    ]
    assert len(files) == len({*files})
    left_out = {*(ROOT / "tests").rglob("test_*.py")} - {*files}
    assert {path.relative_to(ROOT / "tests").parts[0] for path in left_out} == {*SKIPPED}


def _files(paths: tuple[str, ...]) -> list[Path]:
    found = [ROOT / path for path in paths]
    return [file for path in found for file in (sorted(path.rglob("test_*.py")) if path.is_dir() else [path])]


def test_harmless_mutants_are_those_of_the_code() -> None:
    """One whose code has changed must be judged again."""
    known = harmless.read()
    keys = {mutant.key for module in {key.module for key in known} for mutant in mutants_of(ROOT, module)}
    assert {key for key in known if key not in keys} == set()
    assert all(known.values())
