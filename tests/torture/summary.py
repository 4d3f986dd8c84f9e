"""What a trial amounted to, in numbers: a run that did nothing has found nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.torture.history import OK, Disturbance
from tests.torture.record import Record

_KILL = "kill -9 of"


@dataclass
class Summary:
    """`answers` are callbacks by outcome; `kills_in_mid_flight` are those with a callback under way at that gateway."""

    trials: int = 0
    seconds: float = 0
    operations: int = 0
    flows: int = 0
    exchanges: int = 0
    connections: int = 0
    kills: int = 0
    kills_in_mid_flight: int = 0
    answers: Counter[str] = field(default_factory=Counter[str])
    disturbances: Counter[str] = field(default_factory=Counter[str])
    provider_faults: Counter[str] = field(default_factory=Counter[str])

    def add(self, record: Record) -> None:
        history = record.history
        kills = [one for one in history.disturbances if one.kind == _KILL]
        self.trials += 1
        self.seconds += history.now()
        self.operations += len(history.operations)
        self.flows += len(history.flows)
        self.exchanges += len(record.exchanges)
        self.connections += len(record.connections)
        self.kills += len(kills)
        self.kills_in_mid_flight += sum(_in_mid_flight(record, kill) for kill in kills)
        self.answers.update(one.answer.outcome for one in history.operations if one.action == "callback")
        self.disturbances.update(one.kind for one in history.disturbances)
        self.provider_faults.update(one.fault for one in record.exchanges if one.fault)

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.trials} trials in {self.seconds:.0f} s, {self.flows} authorization requests, "
                f"{self.operations} operations, {self.exchanges} exchanges, {self.connections} connections,",
                f"{self.kills} kills, {self.kills_in_mid_flight} of them with a callback under way there",
                f"callbacks: {_counted(self.answers)}",
                f"disturbances: {_counted(self.disturbances)}",
                f"exchanges with a fault: {_counted(self.provider_faults)}",
            ]
        )

    @property
    def successes(self) -> int:
        return self.answers[OK]


def _in_mid_flight(record: Record, kill: Disturbance) -> bool:
    callbacks = [one for one in record.history.operations if one.action == "callback" and one.gateway == kill.target]
    return any(one.began < kill.began < one.ended for one in callbacks)


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common()) or "none"
