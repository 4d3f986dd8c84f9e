"""The floor: the least that Python needs for the same work, on bare ASGI. It has no checks, limits or logs."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from typing import Any
from urllib.parse import quote

import msgspec

from benchmarks.peers.floor_client import exchange
from benchmarks.peers.floor_commits import Rows
from benchmarks.peers.floor_database import Postgres, Sqlite, opened
from benchmarks.peers.sealing import bound, part, pseudonym, seal, unseal
from benchmarks.peers.work import WORK


class _Callback(msgspec.Struct):
    provider: str
    code: str
    state: str
    redirectUri: str  # noqa: N815 - the member's name


class _Authorize(msgspec.Struct):
    provider: str
    redirectUri: str  # noqa: N815 - the member's name


class _Tokens(msgspec.Struct):
    access_token: str
    refresh_token: str
    expires_in: int
    scope: str


class _Connection(msgspec.Struct, rename="camel"):
    id: str
    user_id: str
    provider_id: str
    provider_slug: str
    status: str
    last_sync_at: str | None
    created_at: str


_BEARERS = {f"Bearer {token}".encode(): user for token, user in WORK.users.items()}
_AUTHORIZE = (
    f"{WORK.authorize_url}?response_type=code&client_id={quote(WORK.client_id)}"
    f"&redirect_uri={quote(WORK.redirect_uri, safe='')}&scope={quote(' '.join(WORK.scopes))}"
)
_PROVIDER_IDS = WORK.provider_ids

_read_callback = msgspec.json.Decoder(_Callback).decode
_read_authorize = msgspec.json.Decoder(_Authorize).decode
_read_tokens = msgspec.json.Decoder(_Tokens).decode
_encode = msgspec.json.Encoder().encode

_SCOPES = _encode(WORK.scopes).decode()
_VERIFIER = part("verifier")
_ACCESS_TOKEN = part("access_token")
_REFRESH_TOKEN = part("refresh_token")

_database: Sqlite | Postgres


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    if scope["path"] == "/readyz":
        await _answer(send, 200, b"{}")
        return
    user = _user(scope["headers"])
    if user is None:
        await _answer(send, 401, b"{}")
    elif scope["method"] == "GET":
        await _answer(send, 200, await _list(scope["query_string"].decode().removeprefix("userId=")))
    else:
        sent = scope["state"].get("body") or await _body(receive)
        if scope["path"] == "/v1/connections/callback":
            await _answer(send, 201, await _callback(user, _read_callback(sent)))
        else:
            await _answer(send, 200, await _authorize(user, _read_authorize(sent)))


def _user(headers: list[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == b"authorization":
            return _BEARERS.get(value)
    return None


async def _callback(user: str, sent: _Callback) -> bytes:
    key, owner = _hash(sent.state), os.urandom(16).hex()
    place = (key, user, sent.provider, sent.redirectUri)
    ((sealed, claimed_at, version),) = await _database.claim(*place, WORK.registration, _hash(sent.code), owner, 15.0)
    verifier = unseal(sealed, bound("authorization_request", *place) + _VERIFIER)
    answer = _read_tokens(await exchange(sent.code, verifier))
    version = version or 0
    row = bound("connection", user, WORK.slug, "", str(version + 1))
    stored = await _database.store(
        key,
        owner,
        _new_id(),
        _encode(answer.scope.split()).decode(),
        seal(answer.access_token, row + _ACCESS_TOKEN),
        seal(answer.refresh_token, row + _REFRESH_TOKEN),
        answer.expires_in,
        claimed_at,
        version,
        pseudonym(user),
        os.urandom(16).hex(),
    )
    return _encode({"connection": _shown(stored)[0]})


async def _authorize(user: str, sent: _Authorize) -> bytes:
    state, verifier = secrets.token_hex(20), secrets.token_urlsafe(48)
    key = _hash(state)
    place = (key, user, sent.provider, sent.redirectUri)
    sealed = seal(verifier, bound("authorization_request", *place) + _VERIFIER)
    await _database.begin(*place, WORK.registration, _SCOPES, sealed, 600.0, pseudonym(user), os.urandom(16).hex())
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    url = f"{_AUTHORIZE}&state={state}&code_challenge={challenge}&code_challenge_method=S256"
    return _encode({"url": url, "state": state})


async def _list(user: str) -> bytes:
    return _encode({"connections": _shown(await _database.listed(user))})


def _shown(rows: Rows) -> list[_Connection]:
    return [
        _Connection(identity, user, _PROVIDER_IDS[slug], slug, status, last_sync_at, created_at)
        for identity, user, slug, status, last_sync_at, created_at in rows
    ]


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _new_id() -> str:
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


async def _body(receive: Any) -> bytes:
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    return body


async def _answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Any, send: Any) -> None:
    global _database  # noqa: PLW0603 - bare ASGI offers nothing else
    await receive()
    _database = await opened()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
