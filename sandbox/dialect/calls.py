"""What a provider's dialect says of revocation, and of what is asked with an access token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.dialect.answers import ErrorForm, Success
from sandbox.dialect.tables import DialectError, one_of, required, texts
from sandbox.dialect.templates import TOKENS, matched, query, segments

CLIENT_AUTH = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")


@dataclass(frozen=True, slots=True)
class BearerCall:
    """A call with the access token as bearer. Its answer has what was asked for at the dotted `path`. `query` and
    `form` are the parameters that it must have, and `headers` its header fields, whose values may have placeholders."""

    path: str = "id"
    method: str = "GET"
    form: Mapping[str, str] = field(default_factory=dict[str, str])
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> BearerCall:
        method = one_of(table, "method", ("GET", "POST"))
        url = table.get("url", "")
        return cls(required(table, "field"), method, texts(table, "form"), query(url), texts(table, "headers"))


ANY_CALL: Final = BearerCall()


@dataclass(frozen=True, slots=True)
class Revocation:
    """`token` is the kind of token to send in the parameter `token`; None if another place has one. `segments`, `query`
    and `headers` are the end of the path, the URL's parameters and the header fields, with the placeholders that stand
    in them: tokens, the account, the client's id, and in header fields further secrets.

    `ends` is what it ends: the `token`'s family, or the whole `grant` or `account`, which are the same where a provider
    has one app. With an `adapter`, the file of that name in `sandbox/adapters/` takes the place of the other keys.
    """

    method: str
    auth: str
    token: str | None
    params: Mapping[str, str]
    segments: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    adapter: str | None
    success: Success | None
    errors: tuple[ErrorForm, ...]
    ends: str

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> Revocation:
        url = table.get("url", "")
        rule = cls(
            method=one_of(table, "method", ("POST", "GET", "DELETE")),
            auth=one_of(table, "auth", (*CLIENT_AUTH, "bearer", "anonymous")),
            token=table.get("token"),
            params=texts(table, "params"),
            segments=segments(url),
            query=query(url),
            headers=texts(table, "headers"),
            adapter=table.get("adapter"),
            success=Success.read(table.get("success")),
            errors=ErrorForm.read_all(table),
            ends=one_of(table, "ends", ("grant", "token", "account")),
        )
        if rule.token is None and rule.adapter is None and rule.auth != "bearer" and not rule.token_elsewhere:
            raise DialectError("token", "is missing or not text")
        return rule

    @property
    def token_elsewhere(self) -> bool:
        """Whether a token stands in the URL or in a header field other than Authorization."""
        places = (*self.segments, *self.query.values(), *self.headers.values())
        return any(f"{{{name}}}" in place for name in TOKENS for place in places)

    def tokens_in(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Iterator[str]:
        """What stands where the entry has a token, in the URL's path and query and in header fields."""
        places = [("/".join(self.segments), path)]
        places += [(template, query.get(name, "")) for name, template in self.query.items()]
        places += [(template, headers.get(name, "")) for name, template in self.headers.items()]
        for template, text in places:
            found = matched(template, text, {}) or {}
            yield from (found[name] for name in TOKENS if name in found)
