"""AES-256-GCM in the format of Tendon's vault, so that all contenders write the same kind of rows."""

from __future__ import annotations

import hmac
import os
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.peers.work import WORK

_HEAD = bytes((1, len(WORK.key_id))) + WORK.key_id.encode()
_START = len(_HEAD)
_KEY = bytes.fromhex(WORK.key)
_CIPHER = AESGCM(_KEY)

_length = struct.Struct(">I").pack


def bound(*place: str) -> bytes:
    """The associated data for a place, which consists of table, row (all its parts) and column. It can be made of
    several parts: `bound(table, *row) + part(column)`."""
    return _HEAD + part(*place)


def part(*texts: str) -> bytes:
    parts: list[bytes] = []
    for text in texts:
        encoded = text.encode()
        parts += _length(len(encoded)), encoded
    return b"".join(parts)


def seal(secret: str, place: bytes) -> bytes:
    """`place` is what `bound` returns."""
    nonce = os.urandom(12)
    return _HEAD + nonce + _CIPHER.encrypt(nonce, secret.encode(), place)


def unseal(sealed: bytes, place: bytes) -> str:
    return _CIPHER.decrypt(sealed[_START : _START + 12], sealed[_START + 12 :], place).decode()


def pseudonym(user: str) -> str:
    """The user's pseudonym in the audit trail."""
    return hmac.digest(_KEY, user.encode(), "sha256")[:16].hex()
