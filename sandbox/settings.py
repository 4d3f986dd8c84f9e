"""What a script may turn on one provider while it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Settings:
    """`decision` answers every authorization request at once; lives are in seconds, of what is given from then on."""

    decision: str | None = None
    scope_in_answer: bool = True
    code_life: float = 60
    access_life: float = 3600
