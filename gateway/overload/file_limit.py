"""The limit on open files: how many this process may have, and how many connections that allows."""

from __future__ import annotations

import resource
from contextlib import suppress
from functools import cache
from typing import Final

# Connections beyond the limit that still get an answer: 503, or that of a health check.
SPARE: Final = 100
# Files that the process needs besides connections: the database, providers, logs.
_OTHERS: Final = 200
# Files that it should be able to open. macOS grants no more, even where it calls the limit infinite.
_WANTED: Final = 10_240


def raise_file_limit() -> None:
    """Let this process, and those that it forks, open as many files as they may need. Called once, at the start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # If that is not permitted, the present limit has to do.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@cache
def connection_limit() -> int:
    """Connections that the limit on open files allows. Read once, by the first connection: a process sets its limit
    before that."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1_000_000 if files == resource.RLIM_INFINITY else max(files - _OTHERS - SPARE, files // 2)
