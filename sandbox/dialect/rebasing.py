"""The entry with the sandbox's URLs in place of the provider's, and the paths of the sandbox.

Paths are `/{slug}/authorize`, `/token`, `/refresh`, `/account`, `/granted`, `/after_exchange`, `/api`, `/revoke`,
`/connections`; with sites, `/{slug}/{site}/authorize` and so on. Those of the entry `sandbox` have no slug, and its
account endpoint is `/userinfo`.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from sandbox.dialect.tables import required, table
from sandbox.dialect.templates import segments, tail

ROOT_SLUG: Final = "sandbox"
SITE_VARIABLE: Final = "sandbox_site"
"""The variable of a rebased entry that has the site's id, because the sandbox plays each site at a path of its own."""

NO_SITES: Final[Mapping[str, Any]] = MappingProxyType({})

_URLS: Final = (
    ("authorize", "url", "authorize"),
    ("token", "url", "token"),
    ("token", "refresh_url", "refresh"),
    ("account", "url", "account"),
    ("granted", "url", "granted"),
    ("after_exchange", "url", "after_exchange"),
    ("api", "base", "api"),
    ("revoke", "url", "revoke"),
)
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


def path(slug: str, endpoint: str, site: str = "") -> str:
    """The path of an endpoint, relative to the sandbox's own URL."""
    if slug == ROOT_SLUG and endpoint == "account":
        endpoint = "userinfo"
    parts = ("" if slug == ROOT_SLUG else slug, site, endpoint)
    return "".join(f"/{part}" for part in parts if part)


def rebase(toml_text: str, base_url: str, added: Mapping[str, Mapping[str, Any]] = NO_SITES) -> str:
    """The same catalogue file with the URLs of all endpoints, and the base of the API, replaced by those of the sandbox
    at `base_url`. What a URL has besides stays: its query, the placeholders of a revocation, and a `#/`.

    Everything else stays, except for comments. `added` are further sites, as `[sites.<id>]` would have them. Each site
    gets a variable with its id.
    """
    entry = tomllib.loads(toml_text)
    slug, base = required(entry, "slug"), base_url.rstrip("/")
    if added:
        entry["sites"] = {**entry.get("sites", {}), **{id_: dict(site) for id_, site in added.items()}}
    sites = cast("dict[str, Any]", entry.get("sites", {}))
    site = f"{{{SITE_VARIABLE}}}" if sites else ""
    for name, key, endpoint in _URLS:
        if name in entry and key in table(entry, name):
            url = required(entry[name], key)
            below = "".join(f"/{segment}" for segment in segments(url)) if name == "revoke" else ""
            entry[name][key] = base + path(slug, endpoint, site) + below + tail(url)
    if sites:
        entry["variables"] = {**entry.get("variables", {}), SITE_VARIABLE: next(iter(sites))}
        for id_ in sites:
            sites[id_]["variables"] = {**table(sites, id_).get("variables", {}), SITE_VARIABLE: id_}
    return as_toml(entry)


def as_toml(entry: Mapping[str, Any]) -> str:
    """The text of a TOML file with these values."""
    return "\n".join(_lines(entry)) + "\n"


def _lines(entry: Mapping[str, Any]) -> Iterator[str]:
    """TOML: first what is in no table, then each table."""
    yield from _pairs({name: value for name, value in entry.items() if not isinstance(value, dict)})
    for name, value in entry.items():
        if isinstance(value, dict):
            yield f"\n[{_key(name)}]"
            yield from _pairs(cast("dict[str, Any]", value))


def _pairs(values: Mapping[str, Any]) -> Iterator[str]:
    return (f"{_key(name)} = {_value(value)}" for name, value in values.items())


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _text(name)


def _value(value: object) -> str:
    match value:
        case str():
            return _text(value)
        case bool():
            return str(value).lower()
        case dict():
            return f"{{ {', '.join(_pairs(cast('dict[str, Any]', value)))} }}"
        case list():
            return f"[{', '.join(_value(one) for one in cast('list[object]', value))}]"
        case dt.date() | dt.time():
            return value.isoformat()
        case _:
            return str(value)


def _text(text: str) -> str:
    """A basic string, whose escapes are those of JSON, except that DEL needs one, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
