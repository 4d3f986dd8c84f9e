"""Made-up text in place of real text: of the same length and form, with nothing of it left."""

from __future__ import annotations

import re
from itertools import count
from random import Random
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Final

SHARED: Final = 6
"""Characters in a row that made-up text never has in common with what it replaces."""

_TRIES: Final = 50
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_DATES: Final = ("2001-02-03T04:05:06.000000Z", "1970-12-31T23:59:58.999999Z")
_PREFIX: Final = re.compile(r"https?://", re.IGNORECASE)


def made_up_text(text: str, salt: int = 0) -> str:
    """Letters become other letters of the same case, and digits other digits. Dates stay dates, and URLs URLs. Texts
    of one length with the same `salt` may become the same."""
    if _DATE.fullmatch(text):
        return next(date for date in (_like(text, base) for base in _DATES) if not shares(date, text))
    if prefix := _PREFIX.match(text):
        return f"https://{made_up_text(text[prefix.end() :], salt)}"
    for attempt in range(_TRIES):
        # The seed says nothing about the text but its length.
        random = Random(f"{len(text)} {salt} {attempt}")  # noqa: S311 - made-up values are no secrets
        candidate = "".join(_other(letter, random) for letter in text)
        if not shares(candidate, text):
            return candidate
    return "x-" * (len(text) // 2)


def made_up_number(number: int, salt: int = 0) -> int:
    """As many digits, and the same sign."""
    figures = str(abs(number))
    for attempt in count():
        random = Random(f"{len(figures)} {salt} {attempt}")  # noqa: S311 - made-up values are no secrets
        candidate = random.choice("123456789") + "".join(_other(figure, random) for figure in figures[1:])
        if candidate != figures and not shares(candidate, figures):
            return int(candidate) if number >= 0 else -int(candidate)
    raise AssertionError("unreachable")


def shares(one: str, other: str) -> bool:
    """Whether they have SHARED characters in a row in common."""
    return not _rows(one).isdisjoint(_rows(other))


def _rows(text: str) -> set[str]:
    return {text[start : start + SHARED] for start in range(len(text) - SHARED + 1)}


def _other(letter: str, random: Random) -> str:
    for kind in (ascii_lowercase, ascii_uppercase, digits):
        if letter in kind:
            return random.choice(kind.replace(letter, ""))
    return random.choice(ascii_lowercase) if not letter.isascii() or not letter.isprintable() else letter


def _like(text: str, base: str) -> str:
    """The date `base` as `text` writes its own: with as many parts."""
    figures = iter("".join(filter(str.isdigit, base)) + "0" * len(text))
    return "".join(next(figures) if letter.isdigit() else letter for letter in text)
