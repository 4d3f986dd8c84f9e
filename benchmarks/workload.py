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

# The codes in responses to GraphQL.
_TEMPORARY: Final = (b"SERVICE_UNAVAILABLE", b"PROVIDER_UNAVAILABLE")
_DOCUMENTS = Path(__file__).parent.parent / "rest" / "operations"
_UUID = rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TIME = rb"20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{3}Z"
# A connection of a user to a provider, which was last synchronized at a time.
_CONNECTION = (
    rb'\{"id":"%b","userId":"%%b","providerId":"%b","providerSlug":"%%b","status":"connected",'
    rb'"lastSyncAt":%%b,"createdAt":"%b"\}' % (_UUID, _UUID, _TIME)
)
_CONNECTED = re.compile(rb'\{"connection":%b\}' % (_CONNECTION % (rb"([^\"]+)", SLUG.encode(), b"null")))
_LISTED = re.compile(rb"(%b)" % (_CONNECTION % (rb'([^"]+)', rb'([^"]+)', rb'"%b"' % _TIME)))
_AUTHORIZED = re.compile(rb'\{"url":"http://127\.0\.0\.1:\d+/authorize\?([^"]+)","state":"([0-9a-f]{40})"\}')
_CHALLENGE = re.compile(rb"code_challenge=[\w-]{43}")
_PARAMETERS = (
    b"response_type=code",
    b"client_id=%b" % CLIENT_ID.encode(),
    b"redirect_uri=%b" % quote(REDIRECT_URI, safe="").encode(),
    b"scope=%b" % quote(" ".join(SCOPES)).encode(),
    b"code_challenge_method=S256",
)


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


def asks_to_repeat(status: int, head: bytes, body: bytes) -> bool:
    """Whether the request should be sent again, because the database or the provider took too long to answer."""
    if status in (500, 503) and b"\r\nretry-after:" in head.lower():
        return True
    return b'"retryAfter":' in body and any(b'"%b"' % code in body for code in _TEMPORARY)


def check(operation: str, interface: str, listed: int = LISTED) -> Check:
    """The response must be the same as Tendon's to the last byte, except that contenders choose ids, times and codes,
    and the order of a URL's parameters."""
    status = 201 if (operation, interface) == ("callback", REST) else 200
    head, tail = _envelope(operation, interface)
    is_list = partial(_is_list, listed=listed)
    fits = {"callback": _is_connected, "authorize": _is_authorized, "list": is_list}[operation]

    def is_right(number: int, given: int, body: bytes) -> bool:
        # Some end a document with a line break.
        body = body.rstrip()
        is_wrapped = body.startswith(head) and body.endswith(tail)
        return given == status and is_wrapped and fits(number, body[len(head) : len(body) - len(tail)])

    return is_right


def _envelope(operation: str, interface: str) -> tuple[bytes, bytes]:
    """What a response in GraphQL has before and after what REST responds."""
    if interface == REST:
        return b"", b""
    field = {"callback": b'"completeConnection":', "authorize": b'"authorizeConnection":', "list": b""}[operation]
    return (b'{"data":{%b' % field, b"}}") if field else (b'{"data":', b"}")


def _is_connected(number: int, body: bytes) -> bool:
    found = _CONNECTED.fullmatch(body)
    return found is not None and found[1] == user(number).encode()


def _is_authorized(_number: int, body: bytes) -> bool:
    found = _AUTHORIZED.fullmatch(body)
    if found is None:
        return False
    # Some encode the space between scopes in the other way.
    query = found[1].replace(b"+", b"%20").split(b"&")
    expected = [b"state=" + found[2], *_PARAMETERS]
    others = [one for one in query if not _CHALLENGE.fullmatch(one)]
    return len(query) == len(others) + 1 and sorted(others) == sorted(expected)


def _is_list(number: int, body: bytes, listed: int) -> bool:
    """All of the user's connections, the oldest first."""
    name = reader(number, listed).encode()
    found = _LISTED.findall(body)
    if [(user, slug) for _, user, slug in found] != [(name, b"p%03d" % at) for at in range(listed)]:
        return False
    return body == b'{"connections":[%b]}' % b",".join([whole for whole, _, _ in found])


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
