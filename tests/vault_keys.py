"""Keys for TENDON_VAULT_KEYS, the same in every run."""

from __future__ import annotations

import base64
import hashlib


def vault_key(key_id: str, seed: str = "") -> str:
    """In the form of the setting. Another seed gives another key with the same id."""
    return f"{key_id}:{base64.b64encode(hashlib.sha256(f'{key_id} {seed}'.encode()).digest()).decode()}"
