"""Which tests a mutant has to pass, the narrowest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

SKIPPED: Final = ("audits", "browser", "house", "mutants", "torture")
"""Slow, about the repository itself, or meant to run for long."""


@dataclass(frozen=True)
class Stage:
    """`wide` ones have enough tests to be worth several processes."""

    name: str
    paths: tuple[str, ...]
    without: tuple[str, ...] = ()
    wide: bool = False

    @property
    def arguments(self) -> list[str]:
        parallel = ["-n", "4", "--dist", "worksteal"] if self.wide else []
        return [*parallel, *self.paths, *(f"--ignore={path}" for path in self.without)]


def all_tests(root: Path) -> Stage:
    folders = sorted(
        path.name for path in (root / "tests").iterdir() if path.is_dir() and list(path.rglob("test_*.py"))
    )
    return Stage("all", tuple(f"tests/{name}" for name in folders if name not in SKIPPED), wide=True)


def in_packages(modules: Iterable[str]) -> Stage:
    """All tests of the packages that have these modules."""
    names = sorted({PurePosixPath(module).parts[0] for module in modules})
    return Stage("packages", tuple(f"tests/{name}" for name in names), wide=True)


def stages_for(root: Path, module: str) -> list[Stage]:
    """The module's own tests, those of its folder, of its package, of what users do, and all others."""
    path = PurePosixPath(module)
    folder = PurePosixPath("tests") / path.parent
    # Modules that are tested together have the tests of their package.
    names = [path.stem if path.stem != "__init__" else path.parent.name, path.parent.name]
    own = next(filter(None, (_tests_of(root, folder, name) for name in names)), ())
    package = PurePosixPath(*folder.parts[:2])
    narrow = [
        Stage("module", own),
        Stage("folder", (folder.as_posix(),), own),
        Stage("package", (package.as_posix(),), (folder.as_posix(),), wide=True) if package != folder else None,
        Stage("flow", ("tests/flow",), wide=True),
    ]
    others = tuple(path for path in all_tests(root).paths if path not in {"tests/flow", package.as_posix()})
    found = [stage for stage in narrow if stage and stage.paths and (root / stage.paths[0]).exists()]
    return [*found, Stage("others", others, wide=True)]


def _tests_of(root: Path, folder: PurePosixPath, name: str) -> tuple[str, ...]:
    files = {*(root / folder).glob(f"test_{name}.py"), *(root / folder).glob(f"test_{name}_*.py")}
    return tuple(sorted(path.relative_to(root).as_posix() for path in files))
