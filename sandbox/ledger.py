"""What the provider remembers: consents, the codes they gave, the tokens those codes gave. In memory, one process."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from itertools import count

ACCESS, REFRESH = "access_token", "refresh_token"


@dataclass(slots=True)
class Family:
    """One consent and every token that comes from it; they die together (RFC 9700 4.14.2)."""

    number: int
    slug: str
    client_id: str
    account: str
    scopes: tuple[str, ...]
    scope_asked: bool
    revoked: bool = False


@dataclass(slots=True)
class Code:
    """A one-time authorization code (RFC 6749 4.1.2). `expires_at` is in epoch seconds."""

    value: str
    family: Family
    redirect_uri: str
    code_challenge: str | None
    expires_at: float
    spent: bool = False


@dataclass(slots=True)
class Token:
    """`kind` is access_token or refresh_token; `expires_at` in epoch seconds, None for never."""

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


class Ledger:
    def __init__(self) -> None:
        self.codes: dict[str, Code] = {}
        self.tokens: dict[str, Token] = {}
        self._numbers = count(1)

    def clear(self) -> None:
        self.codes.clear()
        self.tokens.clear()

    def consent(self, slug: str, client_id: str, account: str, scopes: list[str], *, scope_asked: bool) -> Family:
        return Family(next(self._numbers), slug, client_id, account, tuple(scopes), scope_asked)

    def give_code(self, family: Family, redirect_uri: str, code_challenge: str | None, life: float) -> Code:
        value = f"code_{secrets.token_urlsafe(24)}"
        code = Code(value, family, redirect_uri, code_challenge, time.time() + life)
        self.codes[value] = code
        return code

    def give_token(
        self, kind: str, family: Family, scopes: tuple[str, ...], expires_at: float | None, value: str
    ) -> Token:
        token = Token(value, kind, family, scopes, expires_at)
        self.tokens[value] = token
        return token

    def find(self, kind: str, value: str | None, slug: str) -> Token | None:
        """The token of that kind and provider, whatever its state."""
        token = self.tokens.get(value or "")
        return token if token is not None and token.kind == kind and token.family.slug == slug else None

    def extend(self, family: Family, expires_at: float | None) -> None:
        """Let the family's access tokens live on, as COROS does when it is asked to refresh."""
        for token in self.tokens.values():
            if token.family is family and token.kind == ACCESS:
                token.expires_at = expires_at

    def accepts(self, access_token: str) -> bool:
        """Whether the account endpoint of the token's provider would take it now."""
        token = self.tokens.get(access_token)
        return token is not None and token.kind == ACCESS and token.state == "live"
