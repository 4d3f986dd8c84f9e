"""Shows the progress: in one line that changes on a terminal, otherwise in a line for each step."""

from __future__ import annotations

import sys
import time

_BEGAN = time.monotonic()


def say(what: str) -> None:
    minutes, seconds = divmod(int(time.monotonic() - _BEGAN), 60)
    end, start = ("", "\r\x1b[K") if sys.stderr.isatty() else ("\n", "")
    print(f"{start}{minutes:3}:{seconds:02} {what}", end=end, file=sys.stderr, flush=True)
