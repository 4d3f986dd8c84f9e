"""Clocks that are wrong: libfaketime between a gateway and the time of day.

What it adds is fixed for the life of a process. It can be changed while one runs, but then Python's threads wait for
the wrong moments, and a gateway would be tormented with something that no clock does.
"""

from __future__ import annotations

from pathlib import Path

# Debian's package is called faketime; this is its library for programs with threads.
_LIBRARY = "libfaketimeMT.so.1"
_PLACES = ("usr/lib/*/faketime", "usr/lib/faketime", "usr/local/lib/faketime")


def library() -> Path | None:
    return next((path for place in _PLACES for path in Path("/").glob(f"{place}/{_LIBRARY}")), None)


def environment(seconds: int) -> dict[str, str]:
    """What starts a process with a clock that is so many seconds ahead."""
    found = library()
    if found is None or seconds == 0:
        return {}
    return {"LD_PRELOAD": str(found), "FAKETIME": f"{seconds:+d}s"}
