"""What a rule yields: a sentence that says what is wrong, and the events that show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Findings = Iterator[tuple[str, Iterable[object]]]
