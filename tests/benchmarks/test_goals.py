from __future__ import annotations

import pytest

from benchmarks.goals import judged, lines
from benchmarks.results import Results
from benchmarks.rounds import Footprint, Sample
from benchmarks.workload import GRAPHQL, REST


def sample(contender: str, load: str = "32", *, round_: int = 0, cpu: float = 0.0, p99: float = 0.0) -> Sample:
    interface = GRAPHQL if contender == "yoga" else REST
    return Sample("postgres", round_, "callback", contender, interface, load, cpu, 0.0, 0.0, 2.0, p99)


def found(*samples: Sample, footprints: tuple[Footprint, ...] = ()) -> dict[str, tuple[float | None, float]]:
    results = Results(list(samples), list(footprints), {})
    return {one["goal"]: (one["at_most"], one["measured"]) for one in judged(results)}


def test_a_multiple_is_the_median_of_those_of_the_rounds() -> None:
    rounds = [(100, 190), (100, 250), (10, 40)]
    measured = [
        sample(name, round_=number, cpu=cpu)
        for number, pair in enumerate(rounds)
        for name, cpu in zip(("floor", "tendon"), pair, strict=True)
    ]
    assert found(*measured) == {"the floor, times": (1.9, 2.5)}


def test_the_tail_is_compared_with_the_floors_at_the_same_rate() -> None:
    ours, floors = sample("tendon", "half", p99=8.0), sample("floor", "tendon's half", p99=5.0)
    assert found(ours, floors, sample("floor", "half", p99=3.0)) == {
        "p99 over p50 at half load, times": (2.0, 4.0),
        "the same of the floor at that rate, times": (None, 2.5),
    }


def test_a_start_is_measured_in_cpu_time() -> None:
    footprint = Footprint("postgres", "tendon", [5.0, 6.0, 7.0], [0.5, 0.4, 0.3], 60.0, 70.0)
    measured = found(sample("tendon"), footprints=(footprint,))
    assert measured["start to first 200, CPU seconds"] == (0.45, 0.4)
    assert measured["memory loaded, MB"] == (75, 70.0)


@pytest.mark.parametrize(("contender", "cpu", "is_missed"), [("floor", 100, True), ("floor", 200, False)])
def test_missed_goals_are_marked(contender: str, cpu: float, *, is_missed: bool) -> None:
    results = Results([sample("tendon", cpu=300), sample(contender, cpu=cpu)], [], {})
    assert any("missed" in line for line in lines(results)) is is_missed


def test_a_figure_without_a_goal_is_never_missed() -> None:
    results = Results([sample("tendon", cpu=300), sample("fastify-shared", cpu=10)], [], {})
    (line,) = [line for line in lines(results) if "shared COMMITs" in line]
    assert line.split()[-1] == "30.0"
