"""Validates URIs by RFC 3986. The libraries that were tried normalize what they read, or accept `a|b` and `%zz`; an
allow-list that compares exactly needs the text as it is."""

from __future__ import annotations

import ipaddress
import re

_PCHAR = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})"
_AUTHORITY = (
    r"(?:(?P<userinfo>(?:[A-Za-z0-9\-._~!$&'()*+,;=:]|%[0-9A-Fa-f]{2})*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_PATTERN = re.compile(
    rf"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):"
    rf"(?://{_AUTHORITY}(?P<path>(?:/{_PCHAR}*)*)|(?P<rootless>/?(?:{_PCHAR}+(?:/{_PCHAR}*)*)?))"
    rf"(?:\?(?P<query>(?:{_PCHAR}|[/?])*))?(?:\#(?P<fragment>(?:{_PCHAR}|[/?])*))?",
)

MAX_LENGTH = 2048
_LAST_PORT = 65535


def is_absolute(text: str) -> bool:
    """Whether `text` is an absolute URI without fragment (RFC 3986 4.3), at most MAX_LENGTH characters.

    Schemes of apps count (`com.example.app:/done`, RFC 8252 7.1); `http` and `https` need a host.
    """
    found = _match(text)
    return found is not None and found["fragment"] is None


def is_web(text: str) -> bool:
    """Whether `text` is an http or https URL with a host and without userinfo. It may have a fragment."""
    found = _match(text)
    return found is not None and found["scheme"].lower() in ("http", "https") and found["userinfo"] is None


def has_userinfo(text: str) -> bool:
    """Whether `text` is a URI with a user name or a password before its host."""
    found = _match(text)
    return found is not None and found["userinfo"] is not None


def _match(text: str) -> re.Match[str] | None:
    if len(text) > MAX_LENGTH:
        return None
    found = _PATTERN.fullmatch(text)
    if found is None or int(found["port"] or 0) > _LAST_PORT:
        return None
    if found["scheme"].lower() in ("http", "https") and not found["host"]:
        return None
    return found if _is_host(found["host"] or "") else None


def _is_host(host: str) -> bool:
    """Whether a host in brackets is an IPv6 address."""
    if not host.startswith("["):
        return True
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True
