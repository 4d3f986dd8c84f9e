"""When a mutant counts as noticed, and that the working tree stays as it is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.mutants.mutant import Key, Mutant
from tests.mutants.report import Report
from tests.mutants.scratch import Run, Scratch
from tests.mutants.stages import Stage
from tests.mutants.trial import Trial, Verdict

STAGES = [Stage("module", ("tests/a.py",)), Stage("others", ("tests/b.py",))]
PASSED = Run(passed=True)


def mutant(package: str = "wire") -> Mutant:
    return Mutant(Key(f"{package}/uri.py", "f", "a", "b"), 1, "bound", b"")


def failed(*tests: str) -> Run:
    return Run(passed=False, failed=tests)


class Rehearsal:
    """Runs that end as the test says: by what is run, on the mutant or without it."""

    def __init__(self, mutant: dict[str, list[Run]], clean: dict[str, list[Run]] | None = None) -> None:
        self._runs = {True: mutant, False: clean or {}}
        self._planted = False

    @contextmanager
    def planted(self, module: str, content: bytes) -> Generator[None]:
        self._planted = True
        yield
        self._planted = False

    def test(self, arguments: Sequence[str], *, seconds: float) -> Run:
        runs = self._runs[self._planted].get(" ".join(arguments), [])
        return runs.pop(0) if runs else PASSED

    def verdict(self) -> Verdict:
        return Trial(self, seconds=1).of(mutant(), STAGES)


def test_a_test_that_fails_again_has_noticed_it() -> None:
    assert Rehearsal({"tests/a.py": [failed("a::t")], "a::t": [failed("a::t")]}).verdict() == Verdict("a::t")


def test_nothing_noticed_it() -> None:
    assert Rehearsal({}).verdict() == Verdict(None)


def test_a_test_that_passes_the_second_time_has_not_noticed_it() -> None:
    assert Rehearsal({"tests/a.py": [failed("a::t")]}).verdict() == Verdict(None, ("a::t",))


def test_a_test_that_fails_without_the_mutant_has_not_noticed_it() -> None:
    runs = {"tests/a.py": [failed("a::t")], "a::t": [failed("a::t")]}
    assert Rehearsal(runs, {"a::t": [failed("a::t")]}).verdict() == Verdict(None, ("a::t",))


def test_the_stage_goes_on_without_a_test_that_wavers() -> None:
    runs = {"tests/a.py": [failed("a::t")], "tests/a.py --deselect=a::t": [failed("a::u")], "a::u": [failed("a::u")]}
    assert Rehearsal(runs).verdict() == Verdict("a::u", ("a::t",))


def test_a_later_stage_notices_it() -> None:
    assert Rehearsal({"tests/b.py": [failed("b::t")], "b::t": [failed("b::t")]}).verdict() == Verdict("b::t")


def test_a_stage_that_does_not_end_has_noticed_it() -> None:
    verdict = Rehearsal({"tests/a.py": [Run(passed=False, stopped=True)]}).verdict()
    assert verdict == Verdict("the time-out of the stage module")


def test_tests_that_can_not_be_collected_have_noticed_it() -> None:
    verdict = Rehearsal({"tests/a.py": [failed(), failed()]}).verdict()
    assert verdict == Verdict("the collection of the stage module")


def test_the_report() -> None:
    report = Report()
    for _ in range(9):
        report.add(mutant(), noticed=True)
    report.add(mutant(), noticed=False)
    report.add_harmless(mutant(), "Nobody asks.")
    assert (report.poor, report.percent("wire")) == ([], 90)
    report.add(mutant("rest"), noticed=False)
    assert (report.poor, report.percent("rest")) == (["rest"], 0)
    lines = str(report).splitlines()
    assert [line.split() for line in lines[1:3]] == [
        ["rest", "1", "0", "0", "1", "0%"],
        ["wire", "11", "9", "1", "1", "90%"],
    ]
    assert lines[-1] == "Less than 90% of the rest was noticed in rest."
    assert str(report).count("Nobody asks.") == 1
    assert str(report).count("wire/uri.py:1 f (bound)\n    - a\n    + b") == 2


@pytest.fixture
def scratch(tmp_path: Path) -> Generator[Scratch]:
    """Of a small project, with a server that a test starts."""
    files = {
        "gateway/__init__.py": "",
        "gateway/limit.py": "LIMIT = 5\n",
        "tests/test_limit.py": (
            "import subprocess, sys\n\n"
            "def test_limit():\n"
            "    asked = [sys.executable, '-c', 'import gateway.limit; print(gateway.limit.LIMIT)']\n"
            "    assert subprocess.check_output(asked, cwd='/') == b'5\\n'\n\n"
            "def test_nothing(): pass\n"
        ),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    with Scratch.of(tmp_path) as scratch:
        yield scratch


def test_programs_that_tests_start_import_the_mutant(scratch: Scratch, tmp_path: Path) -> None:
    # That plugin would take most of the time.
    every = ["-p", "no:schemathesis", "tests/test_limit.py"]
    # Of the same length, and within the same second.
    with scratch.planted("gateway/limit.py", b"LIMIT = 6\n"):
        run = scratch.test(every, seconds=60)
        assert (run.passed, run.failed) == (False, ("tests/test_limit.py::test_limit",))
        assert (tmp_path / "gateway" / "limit.py").read_text(encoding="utf-8") == "LIMIT = 5\n"
    assert scratch.test(every, seconds=60) == PASSED


def test_the_command_of_a_copy_is_the_copy() -> None:
    with Scratch.of(Path(__file__).parents[2]) as scratch:
        assert scratch.imports_what_is_planted("gateway/cli.py")
        assert scratch.root.exists()
    assert not scratch.root.exists()


@pytest.mark.parametrize(
    ("option", "status", "said"), [("wire", 0, "3 mutants of wire, wire/http, seed 7"), ("x", 2, "no package x")]
)
def test_the_command_line(option: str, status: int, said: str) -> None:
    command = [sys.executable, "-m", "tests.mutants", "--package", option, "--count", "3", "--seed", "7", "--list"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stdout) == (status, True)
