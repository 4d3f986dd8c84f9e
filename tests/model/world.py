"""What a run of the model has beside its state: rules, a provider, and what may happen."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.model.provider import Provider
from tests.model.rules import RULES, Assumptions, Rules
from tests.model.state import State


@dataclass(frozen=True, slots=True)
class World:
    rules: Rules = RULES
    provider: Provider = field(default_factory=Provider)
    assumptions: Assumptions = field(default_factory=Assumptions)

    def same_account(self, row: int, other: int) -> bool:
        """Whether the statements of row `row` find what is of row `other`."""
        return row == other or (self.rules.claim_by_account and not self.assumptions.stranger)

    def strays_are_over(self, state: State) -> bool:
        """Whether `quiet` may have passed: the provider handles nothing any more that nobody waits for."""
        return self.assumptions.quiet_too_short or not (state.has_stray_refreshes or state.strays)
