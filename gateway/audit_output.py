"""Where `tendon audit export` writes: standard output, or a file, which gets its name when it is complete.

Until then, the file's name ends in `.partial`. If the export is killed, the next one with the same name continues it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from gateway.audit_chain import LONGEST, BrokenChain, Chain, Link
from models.audit_export import StoredExport

# Bytes that are collected before they are written.
_BUFFER: Final = 1 << 20


class ExportError(Exception):
    """An export that can't be finished. The message says why, and what to do."""


class Output(ABC):
    """Takes the lines of an export."""

    @abstractmethod
    def resume(self, start: StoredExport) -> tuple[Link, int]:
        """Keeps the lines of an export that follows `start` and was interrupted. Returns the place of the last one, and
        the id of its event. Raises ExportError."""

    @abstractmethod
    def restart(self) -> None:
        """Keeps nothing. Raises ExportError."""

    @abstractmethod
    def write(self, line: bytes) -> None:
        """Raises ExportError."""

    @abstractmethod
    def publish(self) -> None:
        """Makes all lines durable, and gives the file its name. Raises ExportError."""

    @abstractmethod
    def discard(self) -> None:
        """Removes the lines, if that is possible."""


class StandardOutput(Output):
    """Has nothing to continue. A reader that has gone ends the export as an error does."""

    def resume(self, start: StoredExport) -> tuple[Link, int]:
        return Link.of(start), start.last_id

    def restart(self) -> None:
        """There is nothing yet."""

    def write(self, line: bytes) -> None:
        with _write_errors("standard output"):
            sys.stdout.buffer.write(line)

    def publish(self) -> None:
        with _write_errors("standard output"):
            sys.stdout.buffer.flush()

    def discard(self) -> None:
        """The exit status tells the reader."""


class FileOutput(Output):
    """A file of this process alone, from `open_file` on."""

    def __init__(self, path: Path, file: BinaryIO, *, published: bool) -> None:
        self._path = path
        self._partial = partial_path(path)
        self._file = file
        self._published = published

    def resume(self, start: StoredExport) -> tuple[Link, int]:
        chain, link, last_id, length = Chain(Link.of(start)), Link.of(start), start.last_id, 0
        with _write_errors(self._path):
            self._file.seek(0)
            for text in lines_of(self._file):
                try:
                    line = chain.add(text)
                    # The line that ends an export has none.
                    last_id = int(line.values["id"])
                except (BrokenChain, KeyError, TypeError, ValueError):
                    break
                link, length = line.link, length + len(text)
            if self._published and length:
                # The export ended, but it was not recorded. Any other file stays as it is.
                self._path.rename(self._partial)
                self._published = False
            self._truncate(length)
        return link, last_id

    def restart(self) -> None:
        with _write_errors(self._path):
            self._truncate(0)

    def write(self, line: bytes) -> None:
        with _write_errors(self._partial):
            self._file.write(line)

    def publish(self) -> None:
        with _write_errors(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._check_free(published=self._path.exists())
            self._partial.rename(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def discard(self) -> None:
        with _write_errors(self._partial):
            self._partial.unlink(missing_ok=True)

    def _truncate(self, length: int) -> None:
        self._check_free(published=self._published)
        self._file.seek(length)
        self._file.truncate()

    def _check_free(self, *, published: bool) -> None:
        if published:
            raise _exists(self._path)


def partial_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


@contextmanager
def open_file(path: Path) -> Generator[FileOutput]:
    """The file that will have this path. Others can't write to it meanwhile. Raises ExportError."""
    with _write_errors(path):
        published = path.exists()
        target = path if published else partial_path(path)
        descriptor = _open_private(target)
    if descriptor is None:
        if published:
            raise _exists(path)
        raise ExportError(
            f"{target} is not a private file of this user, and no export has left it there: find out whose it is, and"
            " remove it"
        )
    with os.fdopen(descriptor, "r+b", buffering=_BUFFER) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportError(f"another export is writing to {path}: wait until it ends") from None
        if not _is_still(target, file):
            raise ExportError(f"another export has just written {path}: name another file")
        yield FileOutput(path, file, published=published)


def _open_private(path: Path) -> int | None:
    """Open or create a file that only this user can read and write. The trail is not for everybody who may use the
    folder: None if somebody else may have put a link or a file of their own there. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as fault:
        if fault.errno == errno.ELOOP:
            return None
        raise
    found = os.fstat(descriptor)
    others = found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1 and not others:
        return descriptor
    os.close(descriptor)
    return None


def _exists(path: Path) -> ExportError:
    return ExportError(f"{path} exists already: name another file")


def _is_still(path: Path, file: BinaryIO) -> bool:
    """Whether this is the file of that path. It may have been renamed since it was opened."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Its lines, one by one. One that is too long for an export comes in parts."""
    while line := file.readline(LONGEST):
        yield line


@contextmanager
def _write_errors(target: Path | str) -> Generator[None]:
    """Raises ExportError for an OSError."""
    try:
        yield
    except OSError as fault:
        raise ExportError(f"{target} can't be written: {fault.strerror}") from None
