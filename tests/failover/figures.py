"""What a scenario amounted to, in numbers, and the table of several."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.torture.history import OK
from tests.torture.record import Record

COLUMNS = ("scenario", "flows", "acknowledged", "lost", "sent twice", "failures", "longest wait", "sessions", "notes")


@dataclass(frozen=True)
class Figures:
    """`failures` counts answers that were no success, each time that something was sent. `lost` are acknowledged flows
    without a connection, `twice` codes that were sent more than once. `sessions` is the largest number that one server
    had for a second, and `most` the largest that it ever had."""

    scenario: str
    flows: int
    acknowledged: int
    lost: list[int]
    twice: list[int]
    failures: Counter[str]
    longest: float
    sessions: int
    most: int
    bound: int
    notes: list[str] = field(default_factory=list[str])

    @classmethod
    def of(cls, scenario: str, record: Record, settled: float, *, sessions: int, most: int, bound: int) -> Figures:
        flows = list(record.flows)
        during = [one for one in record.history.operations if one.began < settled]
        acknowledged = [flow for flow in flows if record.acknowledged(flow)]
        return cls(
            scenario,
            flows=len(flows),
            acknowledged=len(acknowledged),
            lost=[flow.number for flow in acknowledged if not record.stored(flow.user, flow.provider)],
            twice=[flow.number for flow in flows if len(record.exchanges_of(flow)) > 1],
            failures=Counter(one.answer.outcome for one in during if one.answer.outcome != OK),
            longest=max((one.ended - one.began for one in during), default=0),
            sessions=sessions,
            most=most,
            bound=bound,
        )

    def cells(self) -> tuple[str, ...]:
        failures = ", ".join(f"{number} {outcome}" for outcome, number in self.failures.most_common()) or "0"
        return (
            self.scenario,
            str(self.flows),
            str(self.acknowledged),
            str(len(self.lost)),
            str(len(self.twice)),
            failures,
            f"{self.longest:.1f} s",
            f"{self.sessions} of {self.bound} (peak {self.most})",
            "; ".join(self.notes),
        )


def table(figures: list[Figures]) -> str:
    rows = [COLUMNS, *(one.cells() for one in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
