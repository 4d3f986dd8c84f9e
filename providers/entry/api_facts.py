"""Facts about a provider's API that stand in its entry, and that nothing uses yet: they are checked for their form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal

from providers.entry.headers import HeaderName
from providers.entry.values import DottedPath, EntryTable, form, list_of, text, whole_number
from wire.tables import read_table

_MONTH: Final = 31 * 24 * 60 * 60
_MILLION: Final = 1_000_000

Parameter = Annotated[str, form(r"[!-~]+", "the name of a parameter", 100)]


class Paging(EntryTable, frozen=True, kw_only=True):
    """How lists are read page by page: the query `parameter` of the cursor, page number or offset; `next`, the path in
    an answer of the next cursor, or of what says that there is more; `size`, the parameter of the page size, and the
    `most` items that it allows; and the `days` that one request may cover. With "push", there is nothing to read."""

    style: Literal["cursor", "page", "offset", "link", "window", "push", "none"]
    parameter: Parameter | None = None
    next: DottedPath | None = None
    size: Parameter | None = None
    most: Annotated[int, whole_number(1, _MILLION)] | None = None
    days: Annotated[int, whole_number(1, 3660)] | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        style = known.get("style")
        if style in ("cursor", "page", "offset") and known.get("parameter", "invalid") is None:
            yield "parameter", f"is missing: style = '{style}' needs it"
        if style in ("push", "none"):
            for name in ("parameter", "next", "size", "most"):
                if name in given:
                    yield name, f"can't go with style = '{style}'"


class Limit(EntryTable, frozen=True, kw_only=True):
    """So many requests in so many seconds, of the whole app or of each user. `reset` is the response header that says
    when more are allowed."""

    requests: Annotated[int, whole_number(1, 100 * _MILLION)]
    seconds: Annotated[int, whole_number(1, _MONTH)]
    per: Literal["app", "user"] = "app"
    reset: HeaderName | None = None


class Webhooks(EntryTable, frozen=True, kw_only=True):
    """How webhooks are authenticated: the `signature` in the `header`, over what is `signed`, with a `key`.

    `challenge` says how the provider checks our address, and `account` is the path of the user's id in the body.
    """

    signature: Literal["hmac_sha256", "hmac_sha1", "sha1", "header", "none"]
    header: HeaderName | None = None
    encoding: Literal["base64", "hex", "hex_upper"] | None = None
    key: Literal["client_secret", "client_secret_ampersand", "webhook_secret"] | None = None
    signed: Literal["body", "timestamp_body", "body_key"] | None = None
    timestamp: HeaderName | None = None
    challenge: Annotated[str, text(1000)] | None = None
    account: DottedPath | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        signature = known.get("signature")
        if signature not in ("none", None) and known.get("header", "invalid") is None:
            yield "header", f"is missing: signature = '{signature}' needs it"
        if signature in ("none", "header"):
            for name in ("encoding", "key", "signed", "timestamp"):
                if name in given:
                    yield name, f"can't go with signature = '{signature}'"


read_limits: Final = list_of(partial(read_table, Limit))
