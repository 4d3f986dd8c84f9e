"""The kept inputs of each target, in a text file with one Python bytes literal a line."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from hashlib import sha1
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("corpus")
MOST: Final = 40_000
"""Bytes of one file."""


def read(target: str) -> list[bytes]:
    path = FOLDER / f"{target}.txt"
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    return [ast.literal_eval(line) for line in lines]


def write(target: str, inputs: Iterable[bytes]) -> None:
    """The shortest ones, as far as they fit."""
    kept, room = list[str](), MOST
    for line in (f"{data!r}\n" for data in sorted({*inputs}, key=lambda data: (len(data), data))):
        if len(line) <= room:
            kept.append(line)
            room -= len(line)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{target}.txt").write_text("".join(kept), encoding="ascii")


def unpack(inputs: Iterable[bytes], folder: Path) -> None:
    """As one file each, which is how the fuzzer wants them."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in inputs:
        (folder / sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
