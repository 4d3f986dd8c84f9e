"""The trial of one mutant: do the tests notice it?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from tests.mutants.mutant import Mutant
from tests.mutants.scratch import Run
from tests.mutants.stages import Stage

# Runs of a stage whose failures turn out not to count.
_ATTEMPTS: Final = 3


@dataclass(frozen=True)
class Verdict:
    """`by` is the test that noticed the mutant, None if none did. `wavering` tests failed, but not reliably."""

    by: str | None
    wavering: tuple[str, ...] = ()


class Copy(Protocol):
    """A `Scratch`, as far as a trial needs it."""

    def planted(self, module: str, content: bytes) -> AbstractContextManager[None]: ...
    def test(self, arguments: Sequence[str], *, seconds: float) -> Run: ...


class Trial:
    """Trials in a copy whose tests pass. A stage that takes longer than `seconds` is stopped, which counts as
    noticed."""

    def __init__(self, copy: Copy, seconds: float) -> None:
        self._copy = copy
        self._seconds = seconds
        self._reliable: set[str] = set()

    def of(self, mutant: Mutant, stages: Iterable[Stage]) -> Verdict:
        wavering: list[str] = []
        for stage in stages:
            if by := self._noticed(mutant, stage, wavering):
                return Verdict(by, tuple(wavering))
        return Verdict(None, tuple(wavering))

    def _noticed(self, mutant: Mutant, stage: Stage, wavering: list[str]) -> str | None:
        """The test that fails because of the mutant. One that doesn't is left out of the next run of the stage."""
        for _ in range(_ATTEMPTS):
            arguments = [*stage.arguments, *(f"--deselect={test}" for test in wavering)]
            run = self._run(mutant, arguments)
            if run.passed:
                return None
            if run.stopped:
                return f"the time-out of the stage {stage.name}"
            if self._fails_again(mutant, run, arguments):
                return run.failed[0] if run.failed else f"the collection of the stage {stage.name}"
            wavering += run.failed
        return None

    def _fails_again(self, mutant: Mutant, run: Run, arguments: list[str]) -> bool:
        """Whether the failure is the mutant's: what failed fails again on its own, and passes without the mutant."""
        again = [*run.failed] or arguments
        if self._run(mutant, again).passed:
            return False
        if not self._reliable.issuperset(again) and self._copy.test(again, seconds=self._seconds).passed:
            self._reliable.update(again)
        return self._reliable.issuperset(again)

    def _run(self, mutant: Mutant, arguments: list[str]) -> Run:
        with self._copy.planted(mutant.key.module, mutant.content):
            return self._copy.test(arguments, seconds=self._seconds)
