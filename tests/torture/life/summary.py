"""What trials amounted to, in numbers: a run that did nothing has found nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.torture.history import OK
from tests.torture.life.record import DISCONNECT, ISSUE, KILL, Record

# Seconds. A provider that finds that its client has gone knows only when it last heard of it: shortly before the kill.
_UNNOTICED: Final = 0.05


@dataclass
class Summary:
    """`lost` are consents that ended by reuse, `struck` refreshes whose sender was killed while it waited."""

    trials: int = 0
    kills: int = 0
    struck: int = 0
    refreshes: int = 0
    disconnects: int = 0
    lost: int = 0
    answers: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    revocations: Counter[str] = field(default_factory=Counter[str])
    families: Counter[str] = field(default_factory=Counter[str])

    def add(self, record: Record) -> None:
        kills = [one for one in record.disturbances if one.kind == KILL]
        self.trials += 1
        self.kills += len(kills)
        self.struck += sum(
            any(one.target == call.via and one.ended >= call.at and one.began <= call.end + _UNNOTICED for one in kills)
            for call in record.refreshes()
        )
        self.refreshes += len(record.refreshes())
        self.disconnects += sum(one.action == DISCONNECT and one.answer.outcome == OK for one in record.acts)
        self.lost += sum(one.ended == "reuse" for one in record.families.values())
        self.answers.update(one.answer.outcome for one in record.acts if one.action == ISSUE)
        self.faults.update(one.fault for one in record.calls if one.fault)
        self.revocations.update(one.status for one in record.revocations)
        self.families.update(one.ended or "valid" for one in record.families.values())

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.trials} trials, {self.kills} kills, {self.refreshes} refreshes, in {self.struck} of which the"
                f" sender was killed, {self.disconnects} disconnects, {self.lost} consents lost by reuse",
                f"tokens asked for: {_counted(self.answers)}",
                f"consents: {_counted(self.families)}",
                f"revocations: {_counted(self.revocations)}",
                f"provider's faults: {_counted(self.faults)}",
            ]
        )


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common()) or "none"
