"""Restricts files that contain tokens or keys, and their folder, to their owner."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger("tendon")

OWN_FOLDER: Final = ".tendon"
"""The folder that Tendon creates in the current directory."""

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class ReadableByOthers(OSError):
    """Other users may read the file, and its mode can't be changed, because it belongs to another user. The message
    names the file."""


def make_private(path: Path) -> None:
    """Remove all permissions of group and others from the file or folder, if it exists, and log a warning.

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
        private = "700" if path.is_dir() else "600"
        raise ReadableByOthers(
            f"{path} may be read by others and belongs to another user: its owner must `chmod {private}` it"
        ) from None
    log.warning(
        "file.mode",
        file=str(path),
        was=f"{mode:04o}",
        reason="other users could read or write it; now only its owner can",
    )


def make_own_folder_private(folder: Path) -> None:
    """The same for the folder that Tendon creates, since users who can write to it could replace its files. Other
    folders are left unchanged. Raises ReadableByOthers."""
    if folder.name == OWN_FOLDER and not folder.is_symlink():
        make_private(folder)


def world_writable_folders(file: Path) -> list[Path]:
    """The folders of the file, and of the file that it links to, in which any user of this machine could replace it."""
    folders = dict.fromkeys((file.absolute().parent, file.resolve().parent))
    return [folder for folder in folders if folder.is_dir() and _is_world_writable(folder.stat().st_mode)]


def _is_world_writable(mode: int) -> bool:
    """With the sticky bit, as on /tmp, users can replace only their own files."""
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX
