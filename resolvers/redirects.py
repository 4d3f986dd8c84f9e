"""The allow-list of redirect URIs: exact strings (RFC 9700 2.1), or any port of a loopback address (RFC 8252 7.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from wire import uri

_ANY_LOOPBACK_PORT = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]|localhost)):\*(/.*|)")
_PORT = r":(?:[1-9][0-9]{0,4})"

_QUOTES = ("'", '"')

# A comma or semicolon that was probably meant to separate two entries: another URI or nothing follows it.
_TWO_ENTRIES = re.compile(r"[,;](?:[A-Za-z][A-Za-z0-9+.\-]*:/|$)")

# Browsers recognize them percent-encoded as well (URL standard, section 4.3).
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)


class RedirectAllowList:
    """`entries` are absolute URIs. `http://127.0.0.1:*/path` accepts any port there (RFC 8252 7.3); the same goes for
    `localhost` and `[::1]`.

    Raises ValueError with a line for each invalid entry: its number, the reason, and what to write instead, without the
    entry itself.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._exact: set[str] = set()
        self._loopback: list[re.Pattern[str]] = []
        problems = [f"entry {at} {problem}" for at, entry in enumerate(entries, 1) if (problem := self._add(entry))]
        if problems:
            raise ValueError("\n".join(problems))

    def __bool__(self) -> bool:
        return bool(self._exact or self._loopback)

    def allows(self, redirect_uri: str) -> bool:
        if redirect_uri in self._exact:
            return True
        # The pattern also matches port numbers above 65535, which `is_absolute` rejects.
        return any(pattern.fullmatch(redirect_uri) for pattern in self._loopback) and uri.is_absolute(redirect_uri)

    def _add(self, entry: str) -> str | None:
        """What is wrong with the entry, None when it is valid."""
        variable = _ANY_LOOPBACK_PORT.fullmatch(entry)
        written = entry.replace(":*", ":1", 1) if variable else entry
        problem = _problem(written)
        if problem is None and variable:
            origin, path = variable.groups()
            self._loopback.append(re.compile(re.escape(origin) + _PORT + re.escape(path)))
        elif problem is None:
            self._exact.add(entry)
        return problem


def _problem(entry: str) -> str | None:
    return next((problem for is_wrong, problem in _PROBLEMS if is_wrong(entry)), None)


def _in_quotes(entry: str) -> bool:
    return entry[:1] in _QUOTES and entry[-1:] in _QUOTES


# The first problem that applies is reported, so the most specific ones come first.
_PROBLEMS: Final[tuple[tuple[Callable[[str], object], str], ...]] = (
    (
        _TWO_ENTRIES.search,
        "holds a comma or semicolon between URIs: separate URIs with spaces (inside one, write %2C or %3B)",
    ),
    (_in_quotes, "is in quotation marks, which are part of the value here: remove them"),
    (
        lambda entry: not entry.isascii(),
        "has a character outside ASCII: write the host as xn--…, and percent-encode the rest",
    ),
    (
        lambda entry: _ANY_LOOPBACK_PORT.fullmatch(entry.lower()),
        "has capital letters before its port: write localhost in lower case, as in http://localhost:*/callback",
    ),
    (
        lambda entry: "*" in entry,
        "has a `*`, which stands for the port of a loopback address only, as in http://127.0.0.1:*/callback: "
        "list each URI exactly (inside one, write %2A)",
    ),
    (
        lambda entry: "#" in entry,
        "has a fragment, which a redirect URI can't have (RFC 6749 3.1.2): remove the # and what follows",
    ),
    (uri.has_userinfo, "has a user name before its host: remove it"),
    (
        lambda entry: not uri.is_absolute(entry),
        "is not an absolute URI: write it whole, as in https://app.example/callback",
    ),
    (
        lambda entry: _DOT_SEGMENT.search(entry.partition("?")[0]),
        "has a `.` or `..` in its path, which browsers resolve: write the path without it",
    ),
)
