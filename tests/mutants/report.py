"""The report of a run: how many mutants of each package were noticed, and all that were not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.mutants.mutant import Mutant

ENOUGH: Final = 90
"""Percent of the mutants that are not harmless."""


@dataclass
class Report:
    """`harmless` has the reason for each mutant that is known to be harmless, `open` those that nothing noticed."""

    drawn: Counter[str] = field(default_factory=Counter[str])
    noticed: Counter[str] = field(default_factory=Counter[str])
    harmless: list[tuple[Mutant, str]] = field(default_factory=list[tuple[Mutant, str]])
    open: list[Mutant] = field(default_factory=list[Mutant])
    wavering: Counter[str] = field(default_factory=Counter[str])

    def add_harmless(self, mutant: Mutant, reason: str) -> None:
        self.drawn[mutant.package] += 1
        self.harmless.append((mutant, reason))

    def add(self, mutant: Mutant, *, noticed: bool) -> None:
        self.drawn[mutant.package] += 1
        if noticed:
            self.noticed[mutant.package] += 1
        else:
            self.open.append(mutant)

    def percent(self, package: str) -> float:
        """How many were noticed of those that are not harmless."""
        rest = self.drawn[package] - self._harmless[package]
        return 100 * self.noticed[package] / rest if rest else 100.0

    @property
    def poor(self) -> list[str]:
        """The packages in which not enough was noticed."""
        return [package for package in sorted(self.drawn) if self.percent(package) < ENOUGH]

    @property
    def _harmless(self) -> Counter[str]:
        return Counter(mutant.package for mutant, _ in self.harmless)

    def __str__(self) -> str:
        unnoticed = Counter(mutant.package for mutant in self.open)
        lines = [f"{'package':<24}{'drawn':>7}{'noticed':>9}{'harmless':>10}{'open':>6}{'noticed of the rest':>21}"]
        lines += [
            f"{package:<24}{drawn:>7}{self.noticed[package]:>9}{self._harmless[package]:>10}{unnoticed[package]:>6}"
            f"{self.percent(package):>20.0f}%"
            for package, drawn in sorted(self.drawn.items())
        ]
        if self.harmless:
            lines += ["", "Harmless:", *(f"  {mutant}\n    {reason}" for mutant, reason in self.harmless)]
        if self.open:
            lines += ["", "Open:", *(f"  {mutant}" for mutant in self.open)]
        if self.wavering:
            lines += ["", "Failed, but not again or also without the mutant:", *(f"  {test}" for test in self.wavering)]
        if self.poor:
            lines += ["", f"Less than {ENOUGH}% of the rest was noticed in {', '.join(self.poor)}."]
        return "\n".join(lines)
