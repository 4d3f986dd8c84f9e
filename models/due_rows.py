"""Chooses from the rows that a worker has something to do for, so that many of one provider don't hide those of the
others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from models.statement import Row

ASKED: Final = "CASE WHEN site = '' THEN provider ELSE provider || '/' || site END AS asked"
"""A column: the provider that will be asked, and at which site if it has several."""
LOOKED_AT: Final = 10_000
"""How many due rows of a table one look reads at most."""


def share(rows: Sequence[Row], most: int) -> list[Row]:
    """Up to `most` of the rows: the first one of each provider, then the second one of each, and so on. The second
    column is ASKED."""
    counts: Counter[str] = Counter()
    places: list[int] = []
    for row in rows:
        places.append(counts[row[1]])
        counts[row[1]] += 1
    order = sorted(range(len(rows)), key=places.__getitem__)
    return [rows[index] for index in order[:most]]
