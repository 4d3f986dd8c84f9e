"""A provider's dialect of OAuth, read from its catalogue entry; and the entry's text with its URLs replaced by the
sandbox's.

Paths are `/{slug}/authorize`, `/token`, `/refresh`, `/account`, `/api`, `/revoke`. Those of the entry `sandbox` have no
slug, and its account endpoint is `/userinfo`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

ROOT_SLUG = "sandbox"

_CLIENT_AUTH = ("client_secret_basic", "client_secret_post", "none")
_URL_LINE = re.compile(r"""(?P<before>\s*(?P<key>url|refresh_url|base)\s*=\s*)(?P<q>["']).*?(?P=q)(?P<after>.*)""")
_TABLE_LINE = re.compile(r"\s*\[\[?\s*(?P<table>[^\]]+?)\s*\]\]?\s*(?:#.*)?")


class DialectError(ValueError):
    """A catalogue entry that the sandbox can't imitate: the key, and what is wrong with it."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"the catalogue entry's {key} {reason}")


@dataclass(frozen=True, slots=True)
class Success:
    """How an answer with HTTP 200 shows that it is a success: it has the value `equals` at the dotted path `field`."""

    field: str
    equals: object


@dataclass(frozen=True, slots=True)
class ErrorForm:
    """How the provider expresses an error: by HTTP status, by a value at a dotted path, or both. `wait` and
    `wait_header` name the member or header that has the number of seconds to wait."""

    meaning: str
    status: int | None
    field: str | None
    value: object
    wait: str | None
    wait_header: str | None

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> ErrorForm:
        """Of several possible values, the first is used."""
        value = row.get("equals", row.get("starts_with", "sample"))
        if isinstance(value, list):
            value = cast("list[object]", value)[0]
        meaning = _required(row, "meaning")
        return cls(meaning, row.get("status"), row.get("field"), value, row.get("wait"), row.get("wait_header"))


@dataclass(frozen=True, slots=True)
class Revocation:
    """`token` is the kind of token to send in the parameter `token`; None with auth `bearer`. `ends` is what it ends:
    the `token`'s family, or the whole `grant` or `account`, which are the same where a provider has one app."""

    method: str
    auth: str
    token: str | None
    params: Mapping[str, str]
    ends: str


@dataclass(frozen=True, slots=True)
class Dialect:
    """`account` is a dotted path in the token object, `account_field` one in the account endpoint's answer.

    `offered` are the scopes that the entry requests. `refresh_grace` is in seconds.

    `pkce_checked` is False for a provider that may ignore code challenge and verifier. The sandbox then ignores them,
    which is the worst case.
    """

    slug: str
    name: str
    offered: tuple[str, ...]
    scope_separator: str
    pkce: str
    pkce_checked: bool
    iss: str | None
    auth: str
    params: Mapping[str, str]
    root: str | None
    success: Success | None
    errors: tuple[ErrorForm, ...]
    expires: str
    refresh: str
    refresh_grace: float
    reuse: str
    separate_refresh: bool
    account: str | None
    account_field: str
    revocation: Revocation | None

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Dialect:
        """Read a parsed catalogue file, with the defaults of the RFCs. Raises DialectError, which names the key."""
        authorize, token = _table(entry, "authorize"), _table(entry, "token")
        success = token.get("success")
        return cls(
            slug=_required(entry, "slug"),
            name=_required(entry, "name"),
            offered=tuple(authorize.get("scopes", [])),
            scope_separator=authorize.get("scope_separator", " "),
            pkce=_one_of(authorize, "pkce", ("S256", "none")),
            pkce_checked=authorize.get("pkce_checked", True),
            iss=authorize.get("iss"),
            auth=_one_of(token, "auth", _CLIENT_AUTH),
            params=_params(token),
            root=token.get("root"),
            success=Success(_required(success, "field"), success.get("equals")) if success else None,
            errors=tuple(ErrorForm.read(row) for row in token.get("errors", [])),
            expires=_one_of(token, "expires", ("expires_in", "expires_at", "jwt", "never")),
            refresh=_one_of(token, "refresh", ("rotating", "reusable", "extending", "none")),
            refresh_grace=token.get("refresh_grace", 0),
            reuse=_one_of(token, "reuse", ("revokes", "refused")),
            separate_refresh="refresh_url" in token,
            account=token.get("account"),
            account_field=_required(_table(entry, "account"), "field") if "account" in entry else "id",
            revocation=_revocation(_table(entry, "revoke")) if "revoke" in entry else None,
        )

    def error_form(self, meaning: str | None) -> ErrorForm | None:
        """The provider's own form of this error; None if it uses the form of the RFCs."""
        return next((form for form in self.errors if form.meaning == meaning), None)

    def scopes(self, joined: str | None) -> list[str]:
        """The scopes in a `scope` parameter, in its order."""
        return [scope for scope in (joined or "").split(self.scope_separator) if scope]


def path(slug: str, endpoint: str) -> str:
    """The path of an endpoint, relative to the sandbox's own URL."""
    if slug == ROOT_SLUG:
        return "/userinfo" if endpoint == "account" else f"/{endpoint}"
    return f"/{slug}/{endpoint}"


def rebase(toml_text: str, base_url: str) -> str:
    """The same catalogue file with every `url`, `refresh_url` and `base` of the API replaced by the one of the sandbox
    at `base_url`.

    Everything else stays, including comments. Raises DialectError for a URL that is not on a line of its own.
    """
    slug, base = _required(tomllib.loads(toml_text), "slug"), base_url.rstrip("/")
    table, lines = "", list[str]()
    for line in toml_text.split("\n"):
        if heading := _TABLE_LINE.fullmatch(line):
            table = heading["table"]
        lines.append(_rebased(line, slug, base, table))
    text = "\n".join(lines)
    if not all(url.startswith(f"{base}/") for url in _urls(tomllib.loads(text))):
        raise DialectError("url", "is not on a line of its own")
    return text


def _rebased(line: str, slug: str, base: str, table: str) -> str:
    found = _URL_LINE.fullmatch(line)
    if found is None or (found["key"] == "base" and table != "api"):
        return line
    endpoint = "refresh" if found["key"] == "refresh_url" else table
    return f'{found["before"]}"{base}{path(slug, endpoint)}"{found["after"]}'


def _urls(table: Mapping[str, Any], name: str = "") -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _urls(cast("dict[str, Any]", value), key)
        elif key in ("url", "refresh_url") or (name, key) == ("api", "base"):
            yield str(value)


def _revocation(table: Mapping[str, Any]) -> Revocation:
    auth = _one_of(table, "auth", (*_CLIENT_AUTH, "bearer"))
    return Revocation(
        method=_one_of(table, "method", ("POST", "GET", "DELETE")),
        auth=auth,
        token=None if auth == "bearer" else _required(table, "token"),
        params=_params(table),
        ends=_one_of(table, "ends", ("token", "grant", "account")),
    )


def _table(entry: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = entry.get(name)
    if not isinstance(value, dict):
        raise DialectError(name, "is missing or not a table")
    return cast("dict[str, Any]", value)


def _params(table: Mapping[str, Any]) -> Mapping[str, str]:
    return {key: str(value) for key, value in table.get("params", {}).items()}


def _required(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise DialectError(key, "is missing or not text")
    return value


def _one_of(table: Mapping[str, Any], key: str, choices: tuple[str, ...]) -> str:
    """The value. The first of the choices is the default."""
    value = table.get(key, choices[0])
    if value not in choices:
        raise DialectError(key, f"is not one of {', '.join(choices)}")
    return value
