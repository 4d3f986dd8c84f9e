"""The known name that was probably meant by an unknown one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from itertools import takewhile
from typing import Final

# How similar a misspelt name is, and how similar any other name must be.
_MISSPELT: Final = 0.8
_SIMILAR: Final = 0.65
# Letters that the beginnings of related names have in common.
_PREFIX: Final = 4


def nearest_name(name: str, known: Iterable[str], *, misspelt: bool = False) -> str | None:
    """One that is spelt almost alike; that has a word in common, as `scope_separator` with `scope_delimiter`; that
    begins alike, as `revoke` with `revocation`; or that is similar. With `misspelt`, only the first of these. None if
    there is no such name."""
    by_lower = {each.lower(): each for each in known}
    lower = name.lower()
    found = get_close_matches(lower, by_lower, n=1, cutoff=_MISSPELT)
    if not found and not misspelt:
        found = _related(lower, by_lower)
    return by_lower[found[0]] if found else None


def _related(name: str, known: Iterable[str]) -> list[str]:
    words = set(name.split("_"))
    return (
        _most(known, lambda each: len(words & set(each.split("_"))), least=1)
        or _most(known, lambda each: _in_common(name, each), least=_PREFIX)
        or get_close_matches(name, known, n=1, cutoff=_SIMILAR)
    )


def _in_common(one: str, other: str) -> int:
    """The number of letters with which both begin."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _most(names: Iterable[str], figure: Callable[[str], int], *, least: int) -> list[str]:
    """The name with the highest figure, if that is high enough, and no other name has the same."""
    figures = {name: figure(name) for name in names}
    highest = max(figures.values(), default=0)
    found = [name for name, each in figures.items() if each == highest]
    return found if highest >= least and len(found) == 1 else []
