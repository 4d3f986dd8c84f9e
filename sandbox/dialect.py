"""A provider's dialect of OAuth, read from its catalogue entry; and the entry's text with its URLs replaced by the
sandbox's.

Paths are `/{slug}/authorize`, `/token`, `/refresh`, `/account`, `/api`, `/revoke`, `/connections`. Those of the entry
`sandbox` have no slug, and its account endpoint is `/userinfo`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

ROOT_SLUG = "sandbox"

ACCOUNT = "{account}"
"""In a revocation's URL and parameters: the user's account."""

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
    """How the provider expresses an error: by HTTP status, by one of some values at a dotted path, or both. `wait` and
    `wait_header` name the member or header that has the number of seconds to wait."""

    meaning: str
    status: int | None
    field: str | None
    values: tuple[object, ...]
    wait: str | None
    wait_header: str | None

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> ErrorForm:
        values = row.get("equals", row.get("starts_with", "sample"))
        values = tuple(cast("list[object]", values)) if isinstance(values, list) else (values,)
        meaning = _required(row, "meaning")
        return cls(meaning, row.get("status"), row.get("field"), values, row.get("wait"), row.get("wait_header"))

    def value(self, subject: str) -> object:
        """The first value that names the subject, `code` or `refresh`, else the first of all."""
        return next((value for value in self.values if _names(value, subject)), self.values[0])

    def about(self, subject: str) -> bool:
        return any(_names(value, subject) for value in self.values)


@dataclass(frozen=True, slots=True)
class Revocation:
    """`token` is the kind of token to send in the parameter `token`; None with auth `bearer`. `ends` is what it ends:
    the `token`'s family, or the whole `grant` or `account`, which are the same where a provider has one app. With
    `of_account`, the URL ends with the account."""

    method: str
    auth: str
    token: str | None
    params: Mapping[str, str]
    errors: tuple[ErrorForm, ...]
    ends: str
    of_account: bool


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
    refresh_params: Mapping[str, str]
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
            refresh_params=_params(token, "refresh_params"),
            root=token.get("root"),
            success=Success(_required(success, "field"), success.get("equals")) if success else None,
            errors=_errors(token),
            expires=_one_of(token, "expires", ("expires_in", "expires_at", "jwt", "never")),
            refresh=_one_of(token, "refresh", ("rotating", "reusable", "extending", "none")),
            refresh_grace=token.get("refresh_grace", 0),
            reuse=_one_of(token, "reuse", ("revokes", "refused")),
            separate_refresh="refresh_url" in token,
            account=token.get("account"),
            account_field=_required(_table(entry, "account"), "field") if "account" in entry else "id",
            revocation=_revocation(_table(entry, "revoke")) if "revoke" in entry else None,
        )

    def errors_at(self, endpoint: str) -> tuple[ErrorForm, ...]:
        """The provider's own forms of errors; those of revocation are its own."""
        if endpoint == "revoke":
            return self.revocation.errors if self.revocation else ()
        return self.errors

    def scopes(self, joined: str | None) -> list[str]:
        """The scopes in a `scope` parameter, in its order."""
        return [scope for scope in (joined or "").split(self.scope_separator) if scope]


def find_form(errors: tuple[ErrorForm, ...], meaning: str | None, subject: str) -> ErrorForm | None:
    """The form of this error, preferably one that names the subject; None if it is that of the RFCs."""
    forms = [form for form in errors if form.meaning == meaning]
    return next((form for form in forms if form.about(subject)), forms[0] if forms else None)


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
    account = f"/{ACCOUNT}" if ACCOUNT in line else ""
    return f'{found["before"]}"{base}{path(slug, endpoint)}{account}"{found["after"]}'


def _urls(table: Mapping[str, Any], name: str = "") -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _urls(cast("dict[str, Any]", value), key)
        elif key in ("url", "refresh_url") or (name, key) == ("api", "base"):
            yield str(value)


def _revocation(table: Mapping[str, Any]) -> Revocation:
    auth = _one_of(table, "auth", (*_CLIENT_AUTH, "bearer"))
    return Revocation(
        of_account=ACCOUNT in table.get("url", ""),
        errors=_errors(table),
        method=_one_of(table, "method", ("POST", "GET", "DELETE")),
        auth=auth,
        token=None if auth == "bearer" else _required(table, "token"),
        params=_params(table),
        ends=_one_of(table, "ends", ("grant", "token", "account")),
    )


def _table(entry: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = entry.get(name)
    if not isinstance(value, dict):
        raise DialectError(name, "is missing or not a table")
    return cast("dict[str, Any]", value)


def _params(table: Mapping[str, Any], key: str = "params") -> Mapping[str, str]:
    return {name: str(value) for name, value in table.get(key, {}).items()}


def _errors(table: Mapping[str, Any]) -> tuple[ErrorForm, ...]:
    return tuple(ErrorForm.read(row) for row in table.get("errors", []))


def _names(value: object, subject: str) -> bool:
    return isinstance(value, str) and subject in value.lower()


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
