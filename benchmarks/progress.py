"""Saying how far it is: on a terminal one line that changes, else a line each."""

from __future__ import annotations

import sys
import time

_BEGAN = time.monotonic()


def say(what: str) -> None:
    minutes, seconds = divmod(int(time.monotonic() - _BEGAN), 60)
    end, start = ("", "\r\x1b[K") if sys.stderr.isatty() else ("\n", "")
    print(f"{start}{minutes:3}:{seconds:02} {what}", end=end, file=sys.stderr, flush=True)
