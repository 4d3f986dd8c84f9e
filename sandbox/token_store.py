"""The grants, codes and tokens that the providers issued, in the memory of one process."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

ACCESS, REFRESH = "access_token", "refresh_token"

# Why a family ended.
REUSE, CODE_REUSE, REVOKED, BY_USER, REPLACED = "reuse", "code_reuse", "revoked", "user", "replaced"


def token_id(value: str) -> str:
    """What stands for a token or code where it must not be readable: the start of its SHA-256 in hexadecimal."""
    return hashlib.sha256(value.encode()).hexdigest()[:16]


@dataclass(slots=True, eq=False)
class Grant:
    """The access of one app to one account: all families that the user's consents started, until none is left.

    `provider` is the key of the provider's dialect. `member` is the app's name for the user, where users must be
    registered before the tokens can be used.
    """

    number: int
    provider: str
    client_id: str
    account: str
    member: str | None = None
    created_at: float = field(default_factory=time.time)
    families: list[Family] = field(default_factory=list["Family"])

    @property
    def slug(self) -> str:
        return self.provider.partition("/")[0]

    @property
    def site(self) -> str:
        return self.provider.partition("/")[2]

    @property
    def living(self) -> list[Family]:
        return [family for family in self.families if family.ended is None]

    @property
    def is_living(self) -> bool:
        # The newest first: of a grant with thousands of families it is most likely to live.
        return any(family.ended is None for family in reversed(self.families))


@dataclass(slots=True, eq=False)
class Family:
    """One consent and all tokens that were issued for it, which reuse of one of them ends together (RFC 9700 4.14.2).

    `ended` is the reason, None while it lives; `used_at` is when a token was last accepted; `settings` are those of its
    flow.
    """

    number: int
    grant: Grant
    scopes: tuple[str, ...]
    scope_requested: bool
    settings: Mapping[str, Any]
    created_at: float = field(default_factory=time.time)
    ended: str | None = None
    ended_at: float | None = None
    used_at: float | None = None
    refreshes: int = 0
    reuses: int = 0
    tokens: list[Token] = field(default_factory=list["Token"])

    def end(self, reason: str) -> bool:
        """Whether it lived until now."""
        if self.ended is not None:
            return False
        self.ended, self.ended_at = reason, time.time()
        return True

    def live(self, kind: str) -> Iterator[Token]:
        """Its tokens of that kind that are valid, oldest first."""
        return (token for token in self.tokens if token.kind == kind and token.state == "live")


@dataclass(slots=True, eq=False)
class Code:
    """A one-time authorization code (RFC 6749 4.1.2). `expires_at` is in epoch seconds."""

    value: str
    family: Family
    redirect_uri: str
    code_challenge: str | None
    expires_at: float
    used: bool = False


@dataclass(slots=True, eq=False)
class Token:
    """`kind` is access_token or refresh_token; times are in epoch seconds, `expires_at` None for never.

    `parent` is the refresh token that it was issued for. A refresh token that was used works until `grace_until`.
    """

    value: str
    kind: str
    family: Family
    scopes: tuple[str, ...]
    expires_at: float | None
    parent: Token | None = None
    issued_at: float = field(default_factory=time.time)
    used_at: float | None = None
    grace_until: float = 0
    ended: bool = False

    @property
    def used_up(self) -> bool:
        """Whether it was used, and its grace is over."""
        return self.used_at is not None and time.time() >= self.grace_until

    @property
    def state(self) -> str:
        if self.family.ended is not None or self.ended:
            return "revoked"
        if self.used_at is not None:
            return "rotated" if self.used_up else "grace"
        if self.expires_at is not None and time.time() >= self.expires_at:
            return "expired"
        return "live"

    def use(self, grace: float) -> None:
        """A refresh token is used for the first time."""
        self.used_at = time.time()
        self.grace_until = self.used_at + grace


class TokenStore:
    """All codes and tokens, by their value, and all grants, oldest first."""

    def __init__(self) -> None:
        self.codes: dict[str, Code] = {}
        self.tokens: dict[str, Token] = {}
        self.grants: list[Grant] = []
        self._newest: dict[tuple[str, str, str], Grant] = {}
        self._numbers = count(1)

    def clear(self) -> None:
        self.codes.clear()
        self.tokens.clear()
        self.grants.clear()
        self._newest.clear()

    def add_consent(
        self,
        provider: str,
        client_id: str,
        account: str,
        scopes: list[str],
        *,
        scope_requested: bool,
        settings: Mapping[str, Any],
    ) -> Family:
        """A new family in the grant of that app and account; in a new grant if nothing is left of that one."""
        key = (provider, client_id, account)
        grant = self._newest.get(key)
        if grant is None or not grant.is_living:
            grant = self._newest[key] = Grant(next(self._numbers), *key)
            self.grants.append(grant)
        family = Family(next(self._numbers), grant, tuple(scopes), scope_requested, settings)
        grant.families.append(family)
        return family

    def issue_code(self, family: Family, redirect_uri: str, code_challenge: str | None, life: float) -> Code:
        value = f"code_{secrets.token_urlsafe(24)}"
        code = Code(value, family, redirect_uri, code_challenge, time.time() + life)
        self.codes[value] = code
        return code

    def add(self, token: Token) -> Token:
        self.tokens[token.value] = token
        token.family.tokens.append(token)
        return token

    def find(self, kind: str, value: str | None, provider: str) -> Token | None:
        """The token of that kind and provider, in any state."""
        token = self.tokens.get(value or "")
        return token if token is not None and token.kind == kind and token.family.grant.provider == provider else None

    def family_of(self, provider: str, *values: str | None) -> Family | None:
        """The family of the first of these that is a token or code of that provider."""
        for value in values:
            known = self.tokens.get(value or "") or self.codes.get(value or "")
            if known is not None and known.family.grant.provider == provider:
                return known.family
        return None

    def accepts(self, access_token: str) -> bool:
        """Whether the account endpoint of the token's provider would accept it now."""
        token = self.tokens.get(access_token)
        return token is not None and token.kind == ACCESS and token.state == "live"


def opaque_token(kind: str) -> str:
    """`at_…` or `rt_…` with 192 random bits."""
    return f"{kind[0]}t_{secrets.token_urlsafe(24)}"


def jwt(claims: Mapping[str, Any], expires_at: float) -> str:
    """A JSON Web Token (RFC 7519). Its signature is random: nobody checks it."""
    header = {"alg": "HS256", "typ": "JWT"}
    claims = {**claims, "iat": int(time.time()), "exp": int(expires_at), "jti": secrets.token_hex(8)}
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in (header, claims)]
    return ".".join(_base64url(part) for part in [*parts, secrets.token_bytes(32)])


def _base64url(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
