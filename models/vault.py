"""The vault encrypts (seals) the secrets in the database with AES-256-GCM. Each sealed value names its key by id.

A sealed value is bound to its field by associated data: moved to another field, it can't be opened. A field is a table,
a row and a column. The row is identified by everything that must not change as long as the value exists:

  connection             user, provider, site and the version of the row (`models.connection.token_field`)
  authorization_request  hash of the state, user, provider and redirect URI (`StateBinding.verifier_field`)
  audit_key              the key's number
  revocation             the row's id, provider and site (`models.revocation.material_field`)
  vault_key              the key's id

Layout: version (1 byte, 0x01), length of the key id (1 byte), key id, nonce (12 bytes), ciphertext with tag (16 bytes).
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from struct import Struct
from typing import Final, TypedDict

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION: Final = 1
_NONCE: Final = 12
# Big-endian, in four bytes.
_LENGTH: Final = Struct(">I").pack
_KEY: Final = 32
# Fewer distinct bytes are not random: of 32 random bytes, practically always at least 20 are distinct.
_MIN_DISTINCT: Final = 8
_SPACE: Final = 0x20
_BREAKS: Final = b"\t\r\n"
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
HEAD: Final = 2 + 32
"""So many bytes at the start of a sealed value always contain the id of its key."""


class SealedField(TypedDict):
    """The field to which a sealed value is bound; see the module's docstring."""

    table: str
    row: tuple[str, ...]
    column: str


def make_key_command(key_id: str) -> str:
    """A shell command that prints a new key, in the format of TENDON_VAULT_KEYS."""
    return f"""python3 -c 'import base64, os; print("{key_id}:" + base64.b64encode(os.urandom(32)).decode())'"""


class VaultError(Exception):
    """A key list or a sealed value can't be used. The message may contain key ids, but never a key or content."""


class GuessableKey(VaultError):
    """The key with the id `key_id` is not random. The message contains a command that generates one."""

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"the vault key {key_id} is a pattern or text, not random bytes: make one with `{make_key_command(key_id)}`"
        )


class MissingKey(VaultError):
    """The value was sealed with a key that is not in the list."""


class DoesNotOpen(VaultError):
    """The value was changed or moved to another field, or the key `key_id` is not the one with which it was sealed."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__("a sealed value was changed or moved, or its key id now has another key")


class Vault:
    """Seals with the first key, and opens with any. `keys` maps key ids to 32 bytes, in the order of the setting."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise VaultError("no vault key")
        if any(len(key) != _KEY for key in keys.values()):
            raise VaultError(f"a vault key does not have {_KEY} bytes")
        self._ciphers = {_head(key_id): AESGCM(key) for key_id, key in keys.items()}
        self._key_ids = list(keys)
        self._sealing = next(iter(self._ciphers.items()))

    @property
    def active(self) -> str:
        """The id of the key that seals."""
        return self._key_ids[0]

    @property
    def key_ids(self) -> Sequence[str]:
        """In the order of the setting."""
        return self._key_ids

    def seal(self, secret: str, *, table: str, row: tuple[str, ...], column: str) -> bytes:
        return self._seal(secret, _encoded(table, *row, column))

    def seal_columns(
        self, secrets: Mapping[str, str | None], *, table: str, row: tuple[str, ...]
    ) -> dict[str, bytes | None]:
        """Several columns of one row. None where there is no secret."""
        bound = _encoded(table, *row)
        return {
            column: None if secret is None else self._seal(secret, bound + _encoded(column))
            for column, secret in secrets.items()
        }

    def _seal(self, secret: str, associated_data: bytes) -> bytes:
        head, cipher = self._sealing
        nonce = os.urandom(_NONCE)
        return head + nonce + cipher.encrypt(nonce, secret.encode(), head + associated_data)

    def open(self, sealed: bytes, *, table: str, row: tuple[str, ...], column: str) -> str:
        """Raises MissingKey, DoesNotOpen, or VaultError for data that is not a sealed value."""
        end = 2 + (sealed[1] if len(sealed) > 1 else 0)
        if len(sealed) < end + _NONCE or sealed[0] != _VERSION:
            raise VaultError("not a sealed value")
        head, nonce, content = sealed[:end], sealed[end : end + _NONCE], sealed[end + _NONCE :]
        cipher = self._ciphers.get(head)
        if cipher is None:
            raise MissingKey(f"no vault key with the id {key_id_of(head) or '?'}")
        try:
            return cipher.decrypt(nonce, content, head + _encoded(table, *row, column)).decode()
        except InvalidTag:
            raise DoesNotOpen(head[2:].decode()) from None


def key_id_of(sealed: bytes) -> str | None:
    """The id of the key with which a value was sealed, of which the first HEAD bytes are enough. None if this is not a
    sealed value."""
    head = bytes(sealed[:HEAD])
    end = 2 + (head[1] if len(head) > 1 else 0)
    key_id = head[2:end].decode("ascii", "replace")
    return key_id if head[:1] == bytes((_VERSION,)) and len(head) >= end and _KEY_ID.fullmatch(key_id) else None


def _head(key_id: str) -> bytes:
    """How every value begins that was sealed with this key."""
    return bytes((_VERSION,)) + key_id_bytes(key_id)


def key_id_bytes(key_id: str) -> bytes:
    """The bytes that follow the version in every value that was sealed with this key."""
    return bytes((len(key_id),)) + key_id.encode()


def read_keys(setting: str) -> dict[str, bytes]:
    """Read `id:base64 of 32 bytes`, separated by white space. Raises VaultError naming the id, never the key, also for
    a guessable key."""
    keys: dict[str, bytes] = {}
    for entry in setting.split():
        key_id, _, encoded = entry.partition(":")
        if not encoded or not _KEY_ID.fullmatch(key_id):
            raise VaultError("a vault key is `id:base64`, the id of letters, digits, `_` and `-`")
        if key_id in keys:
            raise VaultError(f"the vault key id {key_id} is listed twice")
        keys[key_id] = _decode(key_id, encoded)
    if not keys:
        raise VaultError("no vault key")
    return keys


def new_key(key_id: str) -> str:
    """A new random key, in the format of TENDON_VAULT_KEYS."""
    return f"{key_id}:{base64.b64encode(os.urandom(_KEY)).decode()}"


def _decode(key_id: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise VaultError(f"the vault key {key_id} is not base64") from None
    if len(key) != _KEY:
        raise VaultError(f"the vault key {key_id} has {len(key)} bytes, not {_KEY}")
    if _is_guessable(key):
        raise GuessableKey(key_id)
    return key


def _is_guessable(key: bytes) -> bool:
    """Whether the key is a repeated short pattern, a counting sequence, as in examples and placeholders, or text.

    Of random keys, one in 10^13 consists of printable ASCII characters and white space alone.
    """
    is_text = key.isascii() and all(byte >= _SPACE or byte in _BREAKS for byte in key)
    return (
        is_text
        or len(set(key)) < _MIN_DISTINCT
        or len({(after - before) % 256 for before, after in pairwise(key)}) == 1
    )


def _encoded(*texts: str) -> bytes:
    """An injective encoding: each text is prefixed with its length, so that no two fields have the same encoding."""
    encoded = [text.encode() for text in texts]
    return b"".join([_LENGTH(len(text)) + text for text in encoded])
