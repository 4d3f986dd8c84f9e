"""The consents, codes and tokens that the providers issued, in the memory of one process."""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass
from itertools import count

ACCESS, REFRESH = "access_token", "refresh_token"


@dataclass(slots=True)
class Family:
    """One consent and all tokens that were issued for it, which are revoked together (RFC 9700 4.14.2)."""

    number: int
    slug: str
    client_id: str
    account: str
    scopes: tuple[str, ...]
    scope_requested: bool
    revoked: bool = False


@dataclass(slots=True)
class Code:
    """A one-time authorization code (RFC 6749 4.1.2). `expires_at` is in epoch seconds."""

    value: str
    family: Family
    redirect_uri: str
    code_challenge: str | None
    expires_at: float
    used: bool = False


@dataclass(slots=True)
class Token:
    """`kind` is access_token or refresh_token; `expires_at` is in epoch seconds, None for never."""

    value: str
    kind: str
    family: Family
    scopes: tuple[str, ...]
    expires_at: float | None
    rotated: bool = False

    @property
    def state(self) -> str:
        if self.family.revoked:
            return "revoked"
        if self.rotated:
            return "rotated"
        if self.expires_at is not None and time.time() >= self.expires_at:
            return "expired"
        return "live"


class TokenStore:
    """All codes and tokens, by their value."""

    def __init__(self) -> None:
        self.codes: dict[str, Code] = {}
        self.tokens: dict[str, Token] = {}
        self._numbers = count(1)

    def clear(self) -> None:
        self.codes.clear()
        self.tokens.clear()

    def add_consent(
        self, slug: str, client_id: str, account: str, scopes: list[str], *, scope_requested: bool
    ) -> Family:
        return Family(next(self._numbers), slug, client_id, account, tuple(scopes), scope_requested)

    def issue_code(self, family: Family, redirect_uri: str, code_challenge: str | None, life: float) -> Code:
        value = f"code_{secrets.token_urlsafe(24)}"
        code = Code(value, family, redirect_uri, code_challenge, time.time() + life)
        self.codes[value] = code
        return code

    def issue_token(
        self, kind: str, family: Family, scopes: tuple[str, ...], expires_at: float | None, value: str
    ) -> Token:
        token = Token(value, kind, family, scopes, expires_at)
        self.tokens[value] = token
        return token

    def find(self, kind: str, value: str | None, slug: str) -> Token | None:
        """The token of that kind and provider, in any state."""
        token = self.tokens.get(value or "")
        return token if token is not None and token.kind == kind and token.family.slug == slug else None

    def extend(self, family: Family, expires_at: float | None) -> None:
        """Prolong the family's access tokens, as COROS does instead of issuing new ones."""
        for token in self.tokens.values():
            if token.family is family and token.kind == ACCESS:
                token.expires_at = expires_at

    def accepts(self, access_token: str) -> bool:
        """Whether the account endpoint of the token's provider would accept it now."""
        token = self.tokens.get(access_token)
        return token is not None and token.kind == ACCESS and token.state == "live"


def opaque_token(kind: str) -> str:
    """`at_…` or `rt_…` with 192 random bits."""
    return f"{kind[0]}t_{secrets.token_urlsafe(24)}"


def jwt(account: str, expires_at: float) -> str:
    """A JSON Web Token (RFC 7519). Its signature is random: only the provider's own resource server would check it."""
    header = {"alg": "HS256", "typ": "JWT"}
    claims = {"sub": account, "iat": int(time.time()), "exp": int(expires_at), "jti": secrets.token_hex(8)}
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in (header, claims)]
    return ".".join(_base64url(part) for part in [*parts, secrets.token_bytes(32)])


def _base64url(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
