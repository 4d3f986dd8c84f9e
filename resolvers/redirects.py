"""Which redirect URIs are ours: exact strings (RFC 9700 2.1), with a variable port on loopback where declared."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wire import uri

_ANY_LOOPBACK_PORT = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\])):\*(/.*|)")
_PORT = r":(?:[1-9][0-9]{0,4})"


class RedirectAllowList:
    """`entries` are absolute URIs. `http://127.0.0.1:*/path` stands for any port there (RFC 8252 7.3).

    Raises ValueError with the number of the entry that is neither.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._exact: set[str] = set()
        self._loopback: list[re.Pattern[str]] = []
        for number, entry in enumerate(entries, 1):
            self._add(number, entry)

    def __bool__(self) -> bool:
        return bool(self._exact or self._loopback)

    def allows(self, redirect_uri: str) -> bool:
        if redirect_uri in self._exact:
            return True
        # The pattern leaves ports beyond the last one open.
        return any(pattern.fullmatch(redirect_uri) for pattern in self._loopback) and uri.is_absolute(redirect_uri)

    def _add(self, number: int, entry: str) -> None:
        variable = _ANY_LOOPBACK_PORT.fullmatch(entry)
        if not uri.is_absolute(entry.replace(":*", ":1", 1) if variable else entry):
            raise ValueError(f"entry {number} is not an absolute URI without a fragment")
        if variable:
            origin, path = variable.groups()
            self._loopback.append(re.compile(re.escape(origin) + _PORT + re.escape(path)))
        else:
            self._exact.add(entry)
