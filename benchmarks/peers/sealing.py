"""AES-256-GCM in the format of Tendon's vault, so that all contenders write the same kind of rows."""

from __future__ import annotations

import hmac
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.peers.work import WORK

_HEAD = bytes((1, len(WORK.key_id))) + WORK.key_id.encode()
_START = len(_HEAD)
_CIPHER = AESGCM(bytes.fromhex(WORK.key))


def seal(secret: str, *place: str) -> bytes:
    """`place` consists of table, row (all its parts) and column."""
    nonce = os.urandom(12)
    return _HEAD + nonce + _CIPHER.encrypt(nonce, secret.encode(), _bound(place))


def unseal(sealed: bytes, *place: str) -> str:
    return _CIPHER.decrypt(sealed[_START : _START + 12], sealed[_START + 12 :], _bound(place)).decode()


def pseudonym(user: str) -> str:
    """The user's pseudonym in the audit trail."""
    return hmac.digest(bytes.fromhex(WORK.key), user.encode(), "sha256")[:16].hex()


def _bound(place: tuple[str, ...]) -> bytes:
    return _HEAD + b"".join([len(part).to_bytes(4, "big") + part.encode() for part in place])
