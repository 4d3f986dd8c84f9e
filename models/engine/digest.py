"""A short hash of texts, which both engines compute as well, so that a statement can make it from its columns."""

from __future__ import annotations

import hashlib
from typing import Final

_BYTES: Final = 16


def digest(*texts: str | None) -> bytes:
    """The first half of the SHA-256 of the texts that are not None, one on each line. No text may contain a line
    break."""
    return hashlib.sha256("\n".join(text for text in texts if text is not None).encode()).digest()[:_BYTES]
