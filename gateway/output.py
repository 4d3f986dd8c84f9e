"""What a command prints on standard output, whose reader may go away early, as in `tendon providers | head`."""

from __future__ import annotations

import os
import sys
from typing import Final

# What a shell reports for a program that SIGPIPE ended: 128 + 13.
_NOBODY_READS: Final = 141
_NOT_WRITTEN: Final = 1


def print_answer(text: str) -> None:
    """What the command was asked for. Exits quietly with status 141 when nobody reads it any more, and with a message
    and status 1 when it can't be written, as on a full disk."""
    try:
        print(text, flush=True)  # noqa: T201 - this is where commands print
    except BrokenPipeError:
        _discard_output()
        sys.exit(_NOBODY_READS)
    except OSError as fault:
        _discard_output()
        print(f"tendon can't write its output: {fault.strerror}", file=sys.stderr)  # noqa: T201 - for the terminal
        sys.exit(_NOT_WRITTEN)


def print_notice(text: str) -> None:
    """What a person may like to read beside what the command does, which goes on without it."""
    try:
        print(text, flush=True)  # noqa: T201 - this is where commands print
    except OSError:
        _discard_output()


def _discard_output() -> None:
    """What is buffered would be written again, and complained about, when Python exits."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
