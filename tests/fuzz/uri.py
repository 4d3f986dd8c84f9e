"""URIs beside a plain reading of RFC 3986, urllib and httpx: all find the same scheme, host and port in what is
accepted."""

from __future__ import annotations

import socket
import string
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpx

from wire.uri import MAX_LENGTH, has_userinfo, is_absolute, is_web

INSTRUMENTED: Final = ["wire"]
WORDS: Final = [b"https://", b"://", b"[::1]", b":65535", b"user:pass@", b"%41", b"#", b"?", b"com.app:/"]

_UNRESERVED: Final = {*string.ascii_letters, *string.digits, *"-._~"}
_NAME: Final = _UNRESERVED | {*"!$&'()*+,;="}
_SEGMENT: Final = _NAME | {*":@"}
_WEB: Final = ("http", "https")


class _Parts(NamedTuple):
    scheme: str
    userinfo: str | None
    host: str
    port: int | None
    fragment: str | None


def check(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    parts = _read(text)
    assert is_absolute(text) == (parts is not None and parts.fragment is None)
    assert is_web(text) == (parts is not None and parts.scheme in _WEB and parts.userinfo is None)
    assert has_userinfo(text) == (parts is not None and parts.userinfo is not None)
    if parts is not None:
        _compare(text, parts)


def _compare(text: str, parts: _Parts) -> None:
    """Other readers find the same parts."""
    split = urlsplit(text)
    # urllib takes what follows `%` for the zone of an IPv6 address and leaves it as it is.
    assert (split.hostname or "").lower() == parts.host.lower()
    assert (split.scheme, split.port) == (parts.scheme, parts.port)
    assert (split.username is None) == (parts.userinfo is None)
    if parts.scheme in _WEB and parts.userinfo is None:
        url = httpx.URL(text)
        usual = {"http": 80, "https": 443}[parts.scheme]
        assert (url.scheme, url.raw_host.decode(), url.userinfo) == (parts.scheme, parts.host.lower(), b"")
        assert (usual if url.port is None else url.port) == (usual if parts.port is None else parts.port)


def _read(text: str) -> _Parts | None:
    """The parts of a URI (RFC 3986 3); None for anything else."""
    scheme, colon, rest = text.partition(":")
    rest, hash_sign, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    scheme_ok = scheme[:1] in {*string.ascii_letters} and {*scheme} <= {*string.ascii_letters, *string.digits, *"+-."}
    if len(text) > MAX_LENGTH or not colon or not scheme_ok:
        return None
    if not (_consists_of(query, _SEGMENT | {*"/?"}) and _consists_of(fragment, _SEGMENT | {*"/?"})):
        return None
    authority, path = (None, rest)
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        path = slash + path
    if not _consists_of(path, _SEGMENT | {"/"}):
        return None
    place = _read_authority(authority or "")
    if place is None or (scheme.lower() in _WEB and not place[1]):
        return None
    return _Parts(scheme.lower(), *place, fragment if hash_sign else None)


def _read_authority(text: str) -> tuple[str | None, str, int | None] | None:
    """The user's name and password, the host without brackets, and the port."""
    userinfo, at_sign, place = text.rpartition("@")
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        if not bracket or not _is_ipv6(host):
            return None
    else:
        host, colon, rest = place.partition(":")
        rest = colon + rest
        if not _consists_of(host, _NAME):
            return None
    port = rest.removeprefix(":")
    # An empty port, which RFC 3986 allows, is refused.
    good_port = {*port} <= {*string.digits} and 1 <= len(port) <= 5 and int(port) <= 65535 and rest != port
    if (rest and not good_port) or not _consists_of(userinfo, _NAME | {":"}):
        return None
    return userinfo if at_sign else None, host, int(port) if rest else None


def _is_ipv6(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return False
    return True


def _consists_of(text: str, allowed: set[str]) -> bool:
    """Whether all characters are allowed, or percent-encoded."""
    first, *encoded = text.split("%")
    good = all(len(part) >= 2 and {*part[:2]} <= {*string.hexdigits} for part in encoded)
    return good and {*first, *(character for part in encoded for character in part[2:])} <= allowed
