"""What was measured on all engines, and the medians and ratios that reports, goals and the chart are made of."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks.contenders import Entry
from benchmarks.rounds import Footprint, Sample


@dataclass(frozen=True)
class Results:
    """`surroundings` are the machine and the versions that the figures belong to."""

    samples: list[Sample]
    footprints: list[Footprint]
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
        """CPU per request of `entry` divided by that of `other`, one ratio for each round."""
        ours, theirs = (self.values(engine, one, "32", "cpu") for one in (entry, other))
        return [ours[number] / theirs[number] for number in sorted(ours) if number in theirs]

    def footprint(self, engine: str, contender: str) -> Footprint | None:
        return next((one for one in self.footprints if (one.engine, one.contender) == (engine, contender)), None)


def _entry(sample: Sample) -> Entry:
    return Entry(sample.operation, sample.contender, sample.interface)
