"""Reads TENDON_CLIENT_KEYS: paths of files with private keys, with which Tendon authenticates at some providers."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from providers.credentials import SigningKey, SigningKeys
from wire.tables import Invalid

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MOST_BYTES: Final = 64 * 1024


def read_client_keys(text: Any, _context: object) -> SigningKeys:
    """The keys in the files that `text` names, with spaces between them. Raises Invalid, with a line for each file that
    is refused."""
    paths = [Path(name) for name in text.split()]
    if not paths:
        raise Invalid("names no file: write the paths of files, with spaces between them")
    read = list(_read_all(paths))
    problems = [f"number {number} {found}" for number, found in enumerate(read, 1) if isinstance(found, Invalid)]
    if problems:
        raise Invalid("\n".join(problems))
    return tuple(found for found in read if not isinstance(found, Invalid))


def _read_all(paths: list[Path]) -> Iterator[SigningKey | Invalid]:
    # Imported here, because joserfc is not needed without keys.
    from providers.client_keys import UnfitKey, read_client_key  # noqa: PLC0415

    numbers: dict[str, int] = {}
    for number, path in enumerate(paths, 1):
        try:
            key = read_client_key(_content(path))
        except Invalid as fault:
            yield fault
        except UnfitKey as fault:
            yield Invalid(str(fault))
        else:
            first = numbers.setdefault(key.kid, number)
            yield key if first == number else Invalid(f"has the same key as number {first}: remove one of them")


def _content(path: Path) -> bytes:
    """Raises Invalid, also for a file that others may read or write: any of them could act as Tendon."""
    if path.parts[:1] == ("~",):
        raise Invalid("has a `~`, which is not expanded: write the full path")
    try:
        if not path.is_file():
            raise Invalid("is not a file: write the paths of files, with spaces between them")
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(_MOST_BYTES + 1)
    except OSError as fault:
        raise Invalid(f"can't be read ({fault.strerror}): let this user read the file") from None
    if mode & _OTHERS:
        raise Invalid("may be read or written by others: its owner must `chmod 600` it, or its key must be replaced")
    if len(content) > _MOST_BYTES:
        raise Invalid("is too long for a key")
    return content
