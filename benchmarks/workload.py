"""The work that is measured: the requests as bytes, and what the responses must be. It is the same for every contender.

Everything is derived from a number, so that generator, provider and database need not exchange any data.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

SLUG: Final = "bench"
CLIENT_ID: Final = "bench-client"
CLIENT_SECRET: Final = "bench-secret"
REDIRECT_URI: Final = "https://app.example/oauth/callback"
SCOPES: Final = ("sleep", "offline")

USERS: Final = 2000
"""The number of users for callbacks. Once each has a connection, further callbacks update connections."""

READERS: Final = 10
LISTED: Final = 100
"""For lists: the number of users, and of connections that each has. `growth.py` also uses other numbers."""

REST: Final = "rest"
GRAPHQL: Final = "graphql"

Request = Callable[[int], bytes]
Check = Callable[[int, int, bytes], bool]
"""Whether status and body are the right response to the request with that number."""

_DOCUMENTS = Path(__file__).parent.parent / "rest" / "operations"
_UUID = rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_CONNECTED = re.compile(
    rb'"connection":\{"id":"%b","userId":"([^"]+)","providerId":"%b","providerSlug":"bench","status":"connected",'
    rb'"lastSyncAt":null,"createdAt":"20[^"]+"\}' % (_UUID, _UUID)
)
_AUTHORIZED = re.compile(rb'"url":"http://[^"]+code_challenge=[\w-]{43}[^"]*","state":"([0-9a-f]{40})"')


def user(number: int) -> str:
    return f"user-{number % USERS:04}"


def reader(number: int, listed: int = LISTED) -> str:
    return f"reader-{listed}-{number % READERS}"


def everybody() -> list[str]:
    return [user(number) for number in range(USERS)] + [reader(number) for number in range(READERS)]


def state(number: int) -> str:
    return f"{number:08}{'5' * 32}"


def code(number: int) -> str:
    return f"code-{number:08}"


def verifier(number: int) -> str:
    """The provider compares it with the code, to detect a contender that mixes up two flows."""
    return f"{number:08}{'v' * 56}"


def access_token(number: int) -> str:
    return f"access-{number:08}-{'a' * 40}"


def refresh_token(number: int) -> str:
    return f"refresh-{number:08}-{'r' * 40}"


def request(operation: str, interface: str, listed: int = LISTED) -> Request:
    """`listed` is the length of the lists that are requested."""
    whose = partial(reader, listed=listed)
    return {
        ("callback", REST): _callback,
        ("callback", GRAPHQL): _by_graphql("CompleteConnection", '{"input":%s}', _callback_members, user),
        ("authorize", REST): _authorize,
        ("authorize", GRAPHQL): _by_graphql("AuthorizeConnection", '{"input":%s}', _authorize_members, user),
        ("list", REST): _list(whose),
        ("list", GRAPHQL): _by_graphql("ListConnections", '{"userId":"%s"}', whose, whose),
    }[operation, interface]


def check(operation: str, interface: str, listed: int = LISTED) -> Check:
    status = 201 if (operation, interface) == ("callback", REST) else 200
    is_list = partial(_is_list, listed=listed)
    fits = {"callback": _is_connected, "authorize": _is_authorized, "list": is_list}[operation]
    return lambda number, given, body: given == status and fits(number, body)


def _is_connected(number: int, body: bytes) -> bool:
    found = _CONNECTED.search(body)
    return found is not None and found[1] == user(number).encode()


def _is_authorized(_number: int, body: bytes) -> bool:
    found = _AUTHORIZED.search(body)
    return found is not None and body.count(b"state=" + found[1]) == 1


def _is_list(number: int, body: bytes, listed: int) -> bool:
    name = reader(number, listed).encode()
    return body.count(b'"userId":"%b"' % name) == listed and body.count(b'"providerSlug":"p') == listed


def _callback(number: int) -> bytes:
    return _post("/v1/connections/callback", user(number), _callback_members(number))


def _authorize(number: int) -> bytes:
    return _post("/v1/connections/authorize", user(number), _authorize_members(number))


def _list(who: Callable[[int], str]) -> Request:
    def made(number: int) -> bytes:
        name = who(number)
        head = f"GET /v1/connections?userId={quote(name)} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer dev:{name}"
        return f"{head}\r\nAccept: application/json\r\n\r\n".encode()

    return made


def _callback_members(number: int) -> str:
    members = f'"provider":"{SLUG}","code":"{code(number)}","state":"{state(number)}"'
    return f'{{{members},"redirectUri":"{REDIRECT_URI}"}}'


def _authorize_members(_number: int) -> str:
    return f'{{"provider":"{SLUG}","redirectUri":"{REDIRECT_URI}"}}'


def _by_graphql(operation: str, variables: str, part: Callable[[int], str], who: Callable[[int], str]) -> Request:
    source = (_DOCUMENTS / f"{operation}.graphql").read_text(encoding="utf-8")
    document = " ".join(source.split())

    def made(number: int) -> bytes:
        return _post("/graphql", who(number), f'{{"query":"{document}","variables":{variables % part(number)}}}')

    return made


def _post(path: str, name: str, body: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer dev:{name}\r\nAccept: application/json\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
