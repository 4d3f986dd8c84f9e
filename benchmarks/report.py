"""What came out: medians over the rounds, ratios within them, as text and as JSON."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks import goals
from benchmarks.contenders import BY_NAME, OPERATIONS, Entry, title
from benchmarks.plan import Plan
from benchmarks.proc import CORES
from benchmarks.rounds import Body, Sample
from benchmarks.workload import REST

_TITLES = {
    "callback": "a callback becomes a connection",
    "authorize": "authorize",
    "list": "a list of 100 connections",
}


@dataclass(frozen=True)
class Report:
    samples: list[Sample]
    bodies: list[Body]
    surroundings: dict[str, Any]

    def engines(self) -> list[str]:
        return list(dict.fromkeys(sample.engine for sample in self.samples))

    def entries(self, engine: str, operation: str) -> list[Entry]:
        """The cheapest first."""
        found = {_entry(one) for one in self.samples if (one.engine, one.operation) == (engine, operation)}
        return sorted(found, key=lambda entry: self.median(engine, entry, "32", "cpu"))

    def values(self, engine: str, entry: Entry, load: str, what: str) -> dict[int, float]:
        """By round."""
        return {
            one.round: getattr(one, what)
            for one in self.samples
            if (one.engine, one.load) == (engine, load) and _entry(one) == entry
        }

    def median(self, engine: str, entry: Entry, load: str, what: str) -> float:
        values = self.values(engine, entry, load, what)
        return statistics.median(values.values()) if values else 0.0

    def ratios(self, engine: str, entry: Entry, other: Entry) -> list[float]:
        """Of CPU a request, one for each round."""
        ours, theirs = (self.values(engine, one, "32", "cpu") for one in (entry, other))
        return [ours[number] / theirs[number] for number in sorted(ours) if number in theirs]

    def body(self, engine: str, contender: str) -> Body | None:
        return next((one for one in self.bodies if (one.engine, one.contender) == (engine, contender)), None)

    def as_json(self) -> str:
        tables = {engine: {name: self._table(engine, name) for name in OPERATIONS} for engine in self.engines()}
        parts = {"tables": tables, "goals": goals.judged(self), "surroundings": self.surroundings}
        raw = {"bodies": [asdict(one) for one in self.bodies], "samples": [asdict(one) for one in self.samples]}
        return json.dumps(parts | raw, indent=1)

    def as_text(self) -> str:
        return "\n".join([*self._tables(), *self._bodies(), *goals.told(self), *_told(self.surroundings)])

    def _table(self, engine: str, operation: str) -> list[dict[str, Any]]:
        return [self._row(engine, entry) for entry in self.entries(engine, operation)]

    def _row(self, engine: str, entry: Entry) -> dict[str, Any]:
        times = {
            f"{what}_{load}": round(self.median(engine, entry, load, what), 2)
            for load in ("32", "1", "fixed", "half")
            for what in ("p50", "p99")
        }
        ratios = self.ratios(engine, entry, Entry(entry.operation, "floor", REST)) or [0.0]
        return {
            "who": title(entry),
            "cpu_us": round(self.median(engine, entry, "32", "cpu")),
            "times_floor": round(statistics.median(ratios), 2),
            "times_floor_range": [round(min(ratios), 2), round(max(ratios), 2)],
            "engine_cpu_us": round(self.median(engine, entry, "32", "engine_cpu")),
            "per_second": round(self.median(engine, entry, "32", "rate")),
            **times,
        }

    def _tables(self) -> Iterator[str]:
        for engine in self.engines():
            for operation in OPERATIONS:
                if rows := self._table(engine, operation):
                    yield f"\n{engine}: {_TITLES[operation]}"
                    yield _HEAD
                    yield from (_line(row) for row in rows)

    def _bodies(self) -> Iterator[str]:
        yield f"\n{'start and memory':52} {'first 200':>10} {'of CPU':>8} {'MB idle':>8} {'MB loaded':>10}"
        for one in self.bodies:
            seconds, cpu = statistics.median(one.starts), statistics.median(one.start_cpu)
            named = f"{BY_NAME[one.contender].title} on {one.engine}"[:52]
            yield f"{named:52} {seconds:8.2f} s {cpu:6.2f} s {one.idle:8.0f} {one.loaded:10.0f}"


_HEAD = (
    f"{'CPU a request':52} {'µs':>6} {'x floor':>8} {'range':>12} {'db µs':>6} {'1/s':>6}"
    f" {'32: p50':>8} {'p99':>6} {'1: p50':>7} {'p99':>6} {'fixed':>6} {'p99':>6} {'half':>6} {'p99':>6}  (ms)"
)


def _line(row: dict[str, Any]) -> str:
    low, high = row["times_floor_range"]
    times = [row[f"{what}_{load}"] for load in ("32", "1", "fixed", "half") for what in ("p50", "p99")]
    shown = " ".join(f"{value or '':>{width}}" for value, width in zip(times, (8, 6, 7, 6, 6, 6, 6, 6), strict=True))
    return (
        f"{row['who'][:52]:52} {row['cpu_us']:6} {row['times_floor']:8.2f} {f'{low:.2f}-{high:.2f}':>12}"
        f" {row['engine_cpu_us']:6} {row['per_second']:6} {shown}"
    )


def _entry(sample: Sample) -> Entry:
    return Entry(sample.operation, sample.contender, sample.interface)


def surroundings(plan: Plan, engines: dict[str, str], load_before: tuple[float, float, float]) -> dict[str, Any]:
    """What the figures are of."""
    return {
        "cores": len(CORES),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "node": _version("node"),
        "engines": engines,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "warm_up": plan.warm,
        "fixed_rate": plan.rate,
        "load_average": {"before": load_before, "after": os.getloadavg()},
    }


def _told(surroundings: dict[str, Any]) -> Iterator[str]:
    yield ""
    yield from (f"{name}: {value}" for name, value in surroundings.items())


def _version(program: str) -> str | None:
    found = shutil.which(program)
    if found is None:
        return None
    return subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.strip()
