"""Requests and answers as an author sees them: complete but for secrets, of which only the length is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast
from urllib.parse import parse_qsl, urlsplit

from gateway.authors.redaction import Redactor
from gateway.authors.tracing import Exchanged
from providers.entry.provider import Provider

# What OAuth's own parameters contain that is no secret.
_PUBLIC: Final = frozenset(
    {
        "grant_type",
        "response_type",
        "redirect_uri",
        "scope",
        "code_challenge_method",
        "client_id",
        "client_assertion_type",
        "token_type_hint",
    }
)
# The same in every request.
_USUAL: Final = frozenset(
    {"host", "accept-encoding", "connection", "user-agent", "content-length", "content-type", "accept"}
)
_LONGEST: Final = 60
_MOST_LINES: Final = 60


def request_lines(exchanged: Exchanged, entry: Provider) -> Iterator[str]:
    """The request line, its header fields, and its form."""
    sent = exchanged.sent
    public = public_params(entry)
    origin = exchanged.request.origin
    path, _, query = sent.target.partition("?")
    yield f"{sent.method} {origin.scheme}://{origin.host}{_port(origin.port)}{_shown_path(path, entry)}"
    yield from (f"  ?{line}" for line in _parameters(parse_qsl(query, keep_blank_values=True), public))
    for name, value in sent.headers:
        if name.lower() not in _USUAL:
            scheme, space, rest = value.rpartition(" ") if name.lower() == "authorization" else ("", "", value)
            yield f"  {name}: {scheme}{space}{hidden(rest)}"
    yield from (f"  {line}" for line in _parameters(sent.form, public))


def answer_lines(exchanged: Exchanged, redactor: Redactor) -> Iterator[str]:
    """The status, and the structure of the body with made-up values."""
    response = exchanged.response
    if response is None:
        yield "no answer"
        return
    yield f"status {response.status}, {_size(exchanged)}"
    document = redactor.document(exchanged.document)
    lines = [f"  {path}: {value}" for path, value in (() if document is None else _members(document))]
    yield from lines[:_MOST_LINES]
    if len(lines) > _MOST_LINES:
        yield f"  … and {len(lines) - _MOST_LINES} more"


def url_lines(url: str, entry: Provider) -> Iterator[str]:
    """An authorization URL, with a line for each parameter."""
    parts = urlsplit(url)
    yield f"{parts.scheme}://{parts.netloc}{parts.path}"
    query = parts.query or parts.fragment.partition("?")[2]
    yield from (f"  {line}" for line in _parameters(parse_qsl(query, keep_blank_values=True), public_params(entry)))


def hidden(text: str) -> str:
    return f"… ({len(text)} characters)"


def public_params(entry: Provider) -> Mapping[str, str]:
    """The parameters that stand in the entry, with their values."""
    found = {**entry.authorize.params, **entry.token.params, **entry.token.refresh_params}
    if entry.revoke is not None:
        found |= entry.revoke.params
    return found if entry.account is None else {**found, **entry.account.form}


def _parameters(pairs: Iterable[tuple[str, str]], public: Mapping[str, str]) -> Iterator[str]:
    for name, value in pairs:
        is_public = name in _PUBLIC or public.get(name) == value
        yield f"{name}={value if is_public else hidden(value)}"


def _shown_path(path: str, entry: Provider) -> str:
    """That of a revocation may contain a token or an account: then it is as in the entry."""
    pattern = "" if entry.revoke is None else urlsplit(entry.revoke.url).path
    parts = [re.escape(part) for part in re.split(r"\{\w+\}", pattern)]
    return pattern if len(parts) > 1 and re.fullmatch(".+".join(parts), path) else path


def _port(port: int) -> str:
    return "" if port in (80, 443) else f":{port}"


def _size(exchanged: Exchanged) -> str:
    size = 0 if exchanged.response is None else len(exchanged.response.content)
    if not size:
        return "no body"
    if exchanged.document in ({}, []):
        return "an empty JSON document"
    return "JSON, with made-up values:" if exchanged.document is not None else f"{size} bytes that are no JSON"


def _members(value: object) -> Iterator[tuple[str, str]]:
    for path, leaf in leaves(value):
        text = repr(leaf)
        yield path, text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every value in a JSON document that is no list or object, by its dotted path."""
    parts: Iterable[tuple[object, object]]
    if isinstance(value, dict):
        parts = cast("dict[str, object]", value).items()
    elif isinstance(value, list):
        parts = enumerate(cast("list[object]", value))
    else:
        yield path, value
        return
    for key, part in parts:
        yield from leaves(part, f"{path}.{key}" if path else str(key))
