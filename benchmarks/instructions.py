"""Counts the instructions of a request to Tendon or to another contender.

What differs from run to run is left out: the hashes of strings are the same, the first requests, which fill caches, are
not counted, there is one request at a time, and what the process does without any request is subtracted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from benchmarks.callgrind import Callgrind, Function
from benchmarks.contenders import Contender
from benchmarks.proc import CORES
from benchmarks.testbed import Runner, Testbed
from benchmarks.workload import REST

REQUESTS: Final = {"callback": 100, "authorize": 100, "list": 30}
"""How many are counted. Further ones execute the same instructions."""

_WARM: Final = 100
# With several in flight, time would decide which of them share a COMMIT on SQLite.
_WIDTH: Final = 1
# The time-outs are longer, since Valgrind runs a process fifty times as slowly.
_SETTINGS: Final = {"PYTHONHASHSEED": "0", "TENDON_DATABASE_TIMEOUT": "60", "TENDON_PROVIDER_TIMEOUT": "60"}
# Seconds for which the process is left alone, to see what it does then.
_ALONE: Final = 3.0
# Seconds for a start, or for one operation, on a machine that has much else to do.
_PATIENCE: Final = 300.0


class Counted:
    """A contender whose instructions are counted. `runner` starts and stops it."""

    def __init__(self, contender: Contender, testbed: Testbed) -> None:
        self._callgrind = Callgrind(testbed.folder / f"{contender.name}-callgrind")
        command = self._callgrind.command(contender.command)
        under_valgrind = replace(contender, command=command, settings=contender.settings | _SETTINGS)
        # On any core: a count doesn't depend on what else runs there.
        self.runner = Runner(under_valgrind, testbed, set(CORES), patience=_PATIENCE)
        self._each_second: dict[Function, float] = {}

    def warm(self, operation: str, interface: str = REST) -> None:
        load(self.runner, operation, _WARM, interface)

    def count(self, operation: str, interface: str = REST) -> dict[Function, float]:
        """The instructions of one request, by function of C. Raises WrongAnswer."""
        self._each_second = self._each_second or self._count_alone()
        with self._callgrind.counting(self.runner.pid):
            answered = load(self.runner, operation, REQUESTS[operation], interface)
        return of_one(self._callgrind.functions(), answered, self._each_second, self._callgrind.seconds)

    def _count_alone(self) -> dict[Function, float]:
        """The instructions of a second without requests. The HTTP server looks ten times a second whether it is to
        stop: the more slowly requests are served, the more often for each of them."""
        with self._callgrind.counting(self.runner.pid):
            time.sleep(_ALONE)
        return {function: count / self._callgrind.seconds for function, count in self._callgrind.functions().items()}


def of_one(
    counted: Mapping[Function, int], requests: int, each_second: Mapping[Function, float], seconds: float
) -> dict[Function, float]:
    """The instructions of one request, if so many took that many seconds."""
    return {
        function: max(count - each_second.get(function, 0.0) * seconds, 0.0) / requests
        for function, count in counted.items()
    }


def load(runner: Runner, operation: str, count: int, interface: str = REST) -> int:
    """Send requests. Returns how many were answered, and raises WrongAnswer."""
    if operation == "callback":
        runner.seed(count)
    return runner.load(operation, interface, _PATIENCE, count, width=_WIDTH).answered
