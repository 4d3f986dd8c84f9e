"""Files that hold tokens or keys: nobody but their owner may read or write them."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger("tendon")

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class ReadableByOthers(OSError):
    """A file of somebody else's, so its mode can't be changed. The text names it."""


def make_private(path: Path) -> None:
    """Take from everybody but the owner what they may do with the file, if it is there, and say so in the log.

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
        raise ReadableByOthers(f"{path} may be read by others and is not ours: let its owner `chmod 600` it") from None
    log.warning("file.mode", file=str(path), was=f"{mode:04o}", reason="others could read or write it until now")
