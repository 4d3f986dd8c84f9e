"""How lists, times and quotations are written, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

_UNITS: Final = (("year", 365 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
# How far a time may be from a round one that stands for it: 180 days are not half a year, but 365.25 days are a year.
_ROUND: Final = 0.01
_CODE: Final = re.compile(r"(`[^`]*`)")
_SPECIAL: Final = re.compile(r"[*<\\]|\](?=\()|(?<!\w)_|_(?!\w)|^[#>+-](?=\s)")


def code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def listed(parts: Iterable[str], last: str = "and") -> str:
    """`a`, `a and b`, or `a, b and c`."""
    *others, final = [*parts]
    return f"{', '.join(others)} {last} {final}" if others else final


def parameters(values: Mapping[str, str]) -> list[str]:
    """What to call them in a list: none, or `the parameter a=b`."""
    return _named("parameter", [f"{name}={value}" for name, value in values.items()])


def header_fields(values: Mapping[str, str]) -> list[str]:
    """The same for header fields."""
    return _named("header field", [f"{name}: {value}" for name, value in values.items()])


def _named(kind: str, parts: Sequence[str]) -> list[str]:
    return [f"the {kind}{'' if len(parts) == 1 else 's'} {listed(map(code, parts))}"] if parts else []


def lasting(seconds: int) -> str:
    """Such as `8 hours`, in the largest unit that fits."""
    for unit, length in _UNITS:
        count = round(seconds / length)
        if count and abs(seconds - count * length) <= _ROUND * seconds:
            return "a year" if (unit, count) == ("year", 1) else f"{count:,} {unit}{'' if count == 1 else 's'}"
    raise AssertionError("a whole number of seconds fits")


def prose(text: str) -> str:
    """A text of an entry on one line. What it has as code stays code, and nothing else becomes Markdown."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(part if index % 2 else _SPECIAL.sub(r"\\\g<0>", part) for index, part in enumerate(parts))


def host(url: str) -> str:
    return urlsplit(url).netloc


def link(url: str) -> str:
    """A link that is named after its host and the beginning of its path."""
    parts = [host(url), *(part for part in urlsplit(url).path.split("/") if part)]
    return f"[{prose('/'.join(parts[:3]))}]({target(url)})"


def target(url: str) -> str:
    """As the target of a link, where brackets and blanks would end it."""
    return url.replace("(", "%28").replace(")", "%29")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join([_row(header), f"|{'---|' * len(header)}", *map(_row, rows)])


def _row(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
