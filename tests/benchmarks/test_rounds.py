from __future__ import annotations

import pytest

from benchmarks.rounds import undisturbed
from benchmarks.testbed import Disturbed, WrongAnswer


class Round:
    """Ends with each of `faults` in turn, and then well."""

    def __init__(self, *faults: WrongAnswer) -> None:
        self.faults = list(faults)
        self.noted: list[str] = []

    def measure(self) -> str:
        if self.faults:
            raise self.faults.pop(0)
        return "measured"


def test_a_disturbed_round_is_measured_again_and_noted() -> None:
    one = Round(Disturbed("the disk stood still"), Disturbed("once more"))
    assert undisturbed(one.measure, one.noted.append) == "measured"
    assert one.noted == ["the disk stood still", "once more"]


def test_a_machine_that_is_always_disturbed_voids_the_run() -> None:
    one = Round(*[Disturbed("busy")] * 5)
    with pytest.raises(WrongAnswer, match="busy"):
        undisturbed(one.measure, one.noted.append, tries=3)
    assert len(one.noted) == 2


def test_a_wrong_answer_voids_the_run_at_once() -> None:
    one = Round(WrongAnswer("a row is missing"))
    with pytest.raises(WrongAnswer, match="a row is missing"):
        undisturbed(one.measure, one.noted.append)
    assert one.noted == []
