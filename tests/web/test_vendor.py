"""The vendored files: those that are pinned, and no others."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from web.vendor import PINNED, VENDOR

VENDORED = {f"{folder}/{Path(name).name}": digest for folder, files in PINNED.items() for name, digest in files.items()}


@pytest.mark.parametrize("name", VENDORED)
def test_a_vendored_file_has_the_pinned_digest(name: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == VENDORED[name]


def test_nothing_else_is_vendored() -> None:
    found = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()}
    assert found - VENDORED.keys() == {"graphiql-3.8.3/LICENSES-BUNDLED.txt"}
