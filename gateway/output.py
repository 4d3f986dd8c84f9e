"""What commands print on standard output. Its reader may close it early, as in `tendon providers | head`."""

from __future__ import annotations

import os
import sys
from typing import Final, TextIO

# The status that a shell reports for a program ended by SIGPIPE: 128 + 13.
_SIGPIPE: Final = 141
_NOT_WRITTEN: Final = 1


def print_result(text: str) -> None:
    """Print the result of a command. Exits quietly with status 141 when the reader has gone, and with a message and
    status 1 when writing fails, as on a full disk."""
    try:
        print(text, flush=True)  # noqa: T201 - this is where commands print
    except BrokenPipeError:
        discard(sys.stdout)
        sys.exit(_SIGPIPE)
    except OSError as fault:
        discard(sys.stdout)
        print(f"tendon can't write its output: {fault.strerror}", file=sys.stderr)  # noqa: T201 - for the terminal
        sys.exit(_NOT_WRITTEN)


def print_notice(text: str) -> None:
    """Print a notice for people. Failure to print it is ignored, since the command works without it."""
    try:
        print(text, flush=True)  # noqa: T201 - this is where commands print
    except OSError:
        discard(sys.stdout)


def discard(stream: TextIO) -> None:
    """Prevent Python from flushing the buffer again at exit, and reporting the failure by exit status 120."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
