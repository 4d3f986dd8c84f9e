"""Which redirect URIs are ours: exact strings (RFC 9700 2.1), with a variable port on loopback where declared."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wire import uri

_ANY_LOOPBACK_PORT = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\])):\*(/.*|)")
_PORT = r":(?:[1-9][0-9]{0,4})"


class RedirectAllowList:
    """`entries` are absolute URIs. `http://127.0.0.1:*/path` stands for any port there (RFC 8252 7.3).

    Raises ValueError naming the entry that is neither.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._exact: set[str] = set()
        self._loopback: list[re.Pattern[str]] = []
        for entry in entries:
            self._add(entry)

    def __bool__(self) -> bool:
        return bool(self._exact or self._loopback)

    def allows(self, redirect_uri: str) -> bool:
        return redirect_uri in self._exact or any(pattern.fullmatch(redirect_uri) for pattern in self._loopback)

    def _add(self, entry: str) -> None:
        variable = _ANY_LOOPBACK_PORT.fullmatch(entry)
        if not uri.is_absolute(entry.replace(":*", ":1", 1) if variable else entry):
            raise ValueError(f"{entry} is not an absolute URI")
        if variable:
            origin, path = variable.groups()
            self._loopback.append(re.compile(re.escape(origin) + _PORT + re.escape(path)))
        else:
            self._exact.add(entry)
