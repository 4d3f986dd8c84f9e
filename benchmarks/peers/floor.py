"""The floor: the least that Python needs for the same work, on bare ASGI. It has no checks, limits or logs."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from benchmarks.peers.floor_client import exchange
from benchmarks.peers.floor_database import Postgres, Sqlite, opened
from benchmarks.peers.sealing import pseudonym, seal, unseal
from benchmarks.peers.work import WORK

_BEARERS = {f"Bearer {token}".encode(): user for token, user in WORK.users.items()}
_SCOPES = json.dumps(WORK.scopes)
_AUTHORIZE = (
    f"{WORK.authorize_url}?response_type=code&client_id={quote(WORK.client_id)}"
    f"&redirect_uri={quote(WORK.redirect_uri, safe='')}&scope={quote(' '.join(WORK.scopes))}"
)

_database: Sqlite | Postgres


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    if scope["path"] == "/readyz":
        await _answer(send, 200, "{}")
        return
    user = next((_BEARERS.get(value) for name, value in scope["headers"] if name == b"authorization"), None)
    if user is None:
        await _answer(send, 401, "{}")
    elif scope["method"] == "GET":
        await _answer(send, 200, await _list(scope["query_string"].decode().removeprefix("userId=")))
    elif scope["path"] == "/v1/connections/callback":
        await _answer(send, 201, await _callback(user, await _body(receive)))
    else:
        await _answer(send, 200, await _authorize(user, await _body(receive)))


async def _callback(user: str, sent: dict[str, str]) -> str:
    key, owner = hashlib.sha256(sent["state"].encode()).hexdigest(), secrets.token_hex(16)
    code = hashlib.sha256(sent["code"].encode()).hexdigest()
    binding = (key, user, sent["provider"], sent["redirectUri"], WORK.registration)
    sealed, scopes, claimed_at, version = (await _database.claim(*binding, code, owner, 15.0))[0]
    verifier = unseal(sealed, "authorization_request", *binding[:4], "verifier")
    answer = json.loads(await exchange(sent["code"], verifier))
    now, made = datetime.now(UTC), str(uuid4())
    place = ("connection", user, WORK.slug, "", str((version or 0) + 1))
    tokens = [seal(answer[name], *place, name) for name in ("access_token", "refresh_token")]
    until = _database.moment(now + timedelta(seconds=answer["expires_in"]))
    granted, moment = json.dumps(answer["scope"].split()), _database.moment(now)
    values = (made, user, WORK.slug, moment, scopes, granted, *tokens, until, claimed_at, version or 0)
    stored = await _database.store(values, (key, owner, 604800.0), _audit(moment, user, "complete", granted))
    return f'{{"connection":{_shown(user, WORK.slug, *stored)}}}'


async def _authorize(user: str, sent: dict[str, str]) -> str:
    state, verifier = secrets.token_hex(20), secrets.token_urlsafe(48)
    key = hashlib.sha256(state.encode()).hexdigest()
    place = (key, user, sent["provider"], sent["redirectUri"])
    sealed = seal(verifier, "authorization_request", *place, "verifier")
    remember = (*place, WORK.registration, _SCOPES, sealed, 600.0)
    at = _database.moment(datetime.now(UTC))
    await _database.begin(remember, _audit(at, user, "authorize", _SCOPES))
    await _database.rows("past", 20)
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    url = f"{_AUTHORIZE}&state={state}&code_challenge={challenge}&code_challenge_method=S256"
    return f'{{"url":"{url}","state":"{state}"}}'


async def _list(user: str) -> str:
    rows = await _database.rows("list", user)
    shown = [_shown(user, slug, made, status, synced, created) for made, _, slug, status, synced, created in rows]
    return f'{{"connections":[{",".join(shown)}]}}'


def _shown(user: str, slug: str, made: Any, status: str, last_sync_at: Any, created_at: Any) -> str:
    return (
        f'{{"id":"{made}","userId":"{user}","providerId":"{WORK.provider_ids[slug]}","providerSlug":"{slug}",'
        f'"status":"{status}","lastSyncAt":{_moment(last_sync_at)},"createdAt":{_moment(created_at)}}}'
    )


def _moment(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return f'"{value[:10]}T{value[11:23]}Z"'
    return f'"{value.isoformat("T", "milliseconds")[:23]}Z"'


def _audit(at: Any, user: str, action: str, scopes: str) -> tuple[Any, ...]:
    return at, pseudonym(user), action, WORK.slug, scopes, secrets.token_hex(16)


async def _body(receive: Any) -> dict[str, str]:
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    return json.loads(body)


async def _answer(send: Any, status: int, body: str) -> None:
    data = body.encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def _live(receive: Any, send: Any) -> None:
    global _database  # noqa: PLW0603 - bare ASGI offers nothing else
    await receive()
    _database = await opened()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
