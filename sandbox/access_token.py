"""What tokens look like: opaque text, or a JSON Web Token whose `exp` is the only word on its life."""

from __future__ import annotations

import base64
import json
import secrets
import time


def opaque(kind: str) -> str:
    """`at_…` or `rt_…` with 192 random bits."""
    return f"{kind[0]}t_{secrets.token_urlsafe(24)}"


def jwt(account: str, expires_at: float) -> str:
    """Three parts as RFC 7519 has them; nobody outside can check the signature, so it is random bytes."""
    header = {"alg": "HS256", "typ": "JWT"}
    claims = {"sub": account, "iat": int(time.time()), "exp": int(expires_at), "jti": secrets.token_hex(8)}
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in (header, claims)]
    return ".".join(_base64url(part) for part in [*parts, secrets.token_bytes(32)])


def _base64url(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
