"""The rounds: each measures every contender once, in a different order, so that other activity on the machine affects
all contenders alike. Ratios are taken within a round."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from benchmarks import proc
from benchmarks.contenders import BY_NAME, Entry, entries
from benchmarks.plan import Plan
from benchmarks.testbed import Disturbed, Runner, Testbed
from benchmarks.verify import verify
from benchmarks.workload import REST

WIDTH = 32

_T = TypeVar("_T")

# Latencies are measured in every second round; three of five are enough.
_LATENCIES = 2
# How much longer the turns take from which the goal for the tail is judged.
_LONGER = 3
_OURS = Entry("callback", "tendon", REST)
_FLOOR = Entry("callback", "floor", REST)
# How often a round is measured until the machine lets it pass undisturbed.
_TRIES = 4
# Callbacks to prepare for each second before the rate is known.
_GUESS = 4000


@dataclass(frozen=True)
class Sample:
    """`cpu` is microseconds of CPU time per request in the contender's processes, `engine_cpu` in the database's."""

    engine: str
    round: int
    operation: str
    contender: str
    interface: str
    load: str
    cpu: float
    engine_cpu: float
    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Footprint:
    """A contender's start and memory: seconds and CPU seconds to its first 200, one for each start; MB when idle and
    after all its work."""

    engine: str
    contender: str
    starts: list[float]
    start_cpu: list[float]
    idle: float
    loaded: float


def undisturbed(measure: Callable[[], _T], note: Callable[[str], None], tries: int = _TRIES) -> _T:
    """What `measure` returns, which is called again if the machine stood still meanwhile. `note` gets what happened.
    Raises WrongAnswer, at once if something is wrong, and after so many tries."""
    for _ in range(tries - 1):
        try:
            return measure()
        except Disturbed as fault:
            note(str(fault))
    return measure()


class Contest:
    """All contenders on one engine. `disturbances` says why rounds were measured again."""

    def __init__(self, plan: Plan, testbed: Testbed, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._testbed = testbed
        self._say = say
        self._runners = {one.name: Runner(one, testbed) for one in plan.contenders}
        self._entries = [entry for one in plan.contenders for entry in entries(one, plan.operations)]
        self._rates: dict[Entry, float] = {}
        self._footprints: dict[str, dict[str, Any]] = {}
        self.disturbances: list[str] = []

    def run(self) -> tuple[list[Sample], list[Footprint]]:
        """Raises WrongAnswer."""
        try:
            self._start()
            self._warm()
            samples: list[Sample] = []
            for number in range(self._plan.rounds):
                samples += undisturbed(lambda number=number: list(self._round(number)), self._note_disturbance)
            self._note_memory("loaded")
            for runner in self._runners.values():
                verify(runner)
        finally:
            for runner in self._runners.values():
                runner.stop()
        return samples, [
            Footprint(self._testbed.engine.name, name, **found) for name, found in self._footprints.items()
        ]

    def _note_disturbance(self, what: str) -> None:
        self._say(f"measured again, since {what}\n")
        self.disturbances.append(f"{self._testbed.engine.name}: {what}")

    def _start(self) -> None:
        """Start each contender in turn, once for each round. After the last start, they keep running."""
        for number in range(self._plan.rounds):
            for name, runner in self._runners.items():
                self._say(f"start {number + 1} of {self._plan.rounds}: {name}")
                if number:
                    runner.stop()
                footprint = self._footprints.setdefault(name, {"starts": [], "start_cpu": []})
                footprint["starts"].append(runner.start())
                footprint["start_cpu"].append(proc.spent({}, proc.cpu(runner.pid)))
        self._note_memory("idle")

    def _note_memory(self, when: str) -> None:
        for name, runner in self._runners.items():
            self._footprints[name][when] = proc.memory_mb(runner.pid)

    def _warm(self) -> None:
        """Run callbacks on Node for the whole warm-up time, so that it compiles the code, and for a third of it on
        Python, which doesn't. Other operations take a quarter of that."""
        for entry in self._entries:
            seconds = self._plan.warm / (1 if entry.operation == "callback" else 4)
            seconds /= 1 if BY_NAME[entry.contender].needs == "node" else 3
            self._say(f"warming up {entry.contender}, {entry.operation} by {entry.interface}")
            self._rates[entry] = _GUESS
            undisturbed(
                lambda entry=entry, seconds=seconds: self._measure(-1, entry, "32", seconds, width=WIDTH),
                self._note_disturbance,
            )

    def _round(self, number: int) -> Iterator[Sample]:
        latencies = number % _LATENCIES == 0
        self._make_due(latencies=latencies)
        order = random.Random(number).sample(self._entries, len(self._entries))
        for place, entry in enumerate(order):
            done = f"round {number + 1} of {self._plan.rounds}, {place + 1} of {len(order)}"
            self._say(f"{done}: {entry.contender}, {entry.operation} by {entry.interface}")
            yield self._measure(number, entry, "32", self._plan.seconds, width=WIDTH)
            if latencies and entry.operation == "callback":
                yield from self._latencies(number, entry)

    def _make_due(self, *, latencies: bool) -> None:
        """Prepare the callbacks of a whole round at once, so that the database is idle before the measurements."""
        for name, runner in self._runners.items():
            rates = [
                rate for entry, rate in self._rates.items() if (entry.contender, entry.operation) == (name, "callback")
            ]
            turns = sum(rate * 1.6 * self._plan.seconds + 200 for rate in rates)
            waits = sum((rate * 2.1 + self._plan.rate) * self._plan.seconds + 600 for rate in rates)
            if name in (_OURS.contender, _FLOOR.contender):
                waits += self._rates.get(_OURS, 0.0) * self._plan.seconds * _LONGER
            self._say(f"callbacks for {name}")
            runner.seed(int(turns + (waits if latencies else 0)))

    def _latencies(self, number: int, entry: Entry) -> Iterator[Sample]:
        seconds, half = self._plan.seconds, self._rates[entry] / 2
        yield self._measure(number, entry, "1", seconds, width=1)
        yield self._measure(number, entry, "fixed", seconds, rate=self._plan.rate)
        if entry != _OURS:
            yield self._measure(number, entry, "half", seconds, rate=half)
            return
        # For longer, since so few of these requests are among the slowest hundredth. The floor shows which part of the
        # tail is due to the machine: it shares a core with generator, provider and database.
        yield self._measure(number, entry, "half", seconds * _LONGER, rate=half)
        yield self._measure(number, _FLOOR, "tendon's half", seconds * _LONGER, rate=half)

    def _measure(self, number: int, entry: Entry, load: str, seconds: float, **how: Any) -> Sample:
        runner = self._runners[entry.contender]
        if entry.operation == "callback":
            runner.seed(int((how.get("rate") or self._rates[entry] * 1.6) * seconds) + 200)
        cost = runner.cost(entry.operation, entry.interface, seconds, **how)
        result = cost.result
        rate = result.answered / result.seconds
        if load == "32":
            self._rates[entry] = rate
        return Sample(
            engine=self._testbed.engine.name,
            round=number,
            operation=entry.operation,
            contender=entry.contender,
            interface=entry.interface,
            load=load,
            cpu=cost.cpu,
            engine_cpu=cost.engine_cpu,
            rate=rate,
            p50=result.p50,
            p99=result.p99,
        )
