"""Keeps files with tokens or keys private: only their owner may read or write them."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger("tendon")

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class ReadableByOthers(OSError):
    """The file belongs to another user, so its mode can't be changed. The text names it."""


def make_private(path: Path) -> None:
    """Remove all permissions of group and others from the file, if it exists, and log a warning.

    Raises ReadableByOthers.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return
    if not mode & _OTHERS:
        return
    try:
        path.chmod(mode & ~_OTHERS)
    except PermissionError:
        raise ReadableByOthers(
            f"{path} may be read by others and belongs to another user: its owner must `chmod 600` it"
        ) from None
    log.warning("file.mode", file=str(path), was=f"{mode:04o}", reason="others could read or write it until now")
