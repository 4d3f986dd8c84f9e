"""What an engine is given to do: SQL of its own dialect, and which value goes where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Sequence[Any]
"""The columns in the order of the statement."""
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One statement. `names` are those of its values, in the order of their placeholders. With a `condition`, it runs
    only if the value of that name is true."""

    text: str
    names: tuple[str, ...]
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """All or nothing. What comes after the first step happens only when that returned a row, whose columns are the
    values `done.column`."""

    steps: tuple[Step, ...]
    writes: bool
