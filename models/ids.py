"""The ids of new rows."""

from __future__ import annotations

from os import urandom
from time import time_ns
from typing import Final

_MILLISECOND: Final = 10**6
# What is random in a UUID of version 7, and what says that it is one.
_RANDOM: Final = 0xFFF << 64 | (1 << 62) - 1
_VERSION_7: Final = 7 << 76 | 2 << 62
_newest_time = 0


def new_id() -> str:
    """The id of a new row: a UUID of version 7 (RFC 9562 5.7), which sorts after all that this process has made."""
    global _newest_time  # noqa: PLW0603
    _newest_time = max(time_ns() // _MILLISECOND, _newest_time + 1)
    digits = f"{_newest_time << 80 | int.from_bytes(urandom(10)) & _RANDOM | _VERSION_7:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
