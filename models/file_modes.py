"""Files that hold tokens or keys, and their folder: nobody but the owner may read or write them."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger("tendon")

OWN_FOLDER: Final = ".tendon"
"""What Tendon makes for itself, in the current directory."""

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class ReadableByOthers(OSError):
    """The file belongs to another user, so its mode can't be changed. The text names it."""


def make_private(path: Path) -> None:
    """Take from everybody but the owner what they may do with the file or folder, if it is there, and log that.

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
        remedy = f"let its owner `chmod {'700' if path.is_dir() else '600'}` it"
        raise ReadableByOthers(f"{path} may be read by others and is not ours: {remedy}") from None
    log.warning("file.mode", file=str(path), was=f"{mode:04o}", reason="others could read or write it until now")


def make_own_folder_private(folder: Path) -> None:
    """The same for a folder that Tendon made for itself; others are for their owner to set up. Who may write to it
    could put another file in the place of ours. Raises ReadableByOthers."""
    if folder.name == OWN_FOLDER and not folder.is_symlink():
        make_private(folder)


def open_folders(file: Path) -> list[Path]:
    """The folders of a file, and of what it is a link to, in which any user of this machine may replace it."""
    folders = dict.fromkeys((file.absolute().parent, file.resolve().parent))
    return [folder for folder in folders if folder.is_dir() and _is_open(folder.stat().st_mode)]


def _is_open(mode: int) -> bool:
    """In a folder with the sticky bit, such as /tmp, users replace nothing but their own."""
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX
