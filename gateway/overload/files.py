"""Open files: how many the process may have, and how many connections that leaves room for."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

# Connections that are heard when there are too many, so that they can be told, and so that health can be asked for.
SPARE: Final = 100
# Files that the process needs besides: the database, providers, logs.
_OTHERS: Final = 200
# Files that it may open, where the system lets it. macOS grants no more, even where it calls the limit infinite.
_WANTED: Final = 10_240


def raise_file_limit() -> None:
    """Let this process, and those that it forks, open as many files as they may need. Once, at the start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # Where it is refused, what there is has to do.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connections_allowed() -> int:
    """Connections that the limit on open files leaves room for."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1_000_000 if files == resource.RLIM_INFINITY else max(files - _OTHERS - SPARE, files // 2)
