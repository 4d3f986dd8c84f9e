"""How a command says that it can't start."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

from gateway.settings import SettingsError


@contextmanager
def refusing() -> Generator[None]:
    """Settings that can't be used are told to the person at the terminal. The exit status is 2."""
    try:
        yield
    except SettingsError as fault:
        print(f"tendon can't start:\n{fault}", file=sys.stderr)  # noqa: T201 - for the person at the terminal
        sys.exit(2)
