"""FastAPI, SQLAlchemy Core and Authlib with Tendon's own statements: the least that this stack needs."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI, HTTPException
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.peers import fastapi_shapes as shapes
from benchmarks.peers.fastapi_tables import SQLITE, engine
from benchmarks.peers.sealing import bound, part, pseudonym, seal, unseal
from benchmarks.peers.work import WORK

database = engine()
single = database.execution_options(isolation_level="AUTOCOMMIT")
client = shapes.oauth_client(limits=httpx.Limits(max_connections=64, max_keepalive_connections=64))


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    async with database.connect() as opened:
        await opened.exec_driver_sql("SELECT 1")
    yield
    await database.dispose()


app = FastAPI(lifespan=lifespan)


@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {}


async def run(connection: AsyncConnection, name: str, *values: Any) -> Any:
    return await connection.exec_driver_sql(WORK.statements[name], values)


@app.post("/v1/connections/callback", status_code=201)
async def callback(body: shapes.CallbackIn, user: shapes.User) -> shapes.CallbackOut:
    key, owner = hashlib.sha256(body.state.encode()).hexdigest(), uuid4().hex
    code = hashlib.sha256(body.code.encode()).hexdigest()
    binding = (key, user, body.provider, body.redirect_uri, WORK.registration)
    async with single.connect() as connection:
        claim = (await run(connection, "claim", *binding, code, owner, 15.0)).first()
    if claim is None:
        raise HTTPException(400, "invalid_state")
    verifier = unseal(claim.verifier, bound("authorization_request", *binding[:4], "verifier"))
    tokens = await client.fetch_token(
        WORK.token_url, code=body.code, code_verifier=verifier, grant_type="authorization_code"
    )
    version = claim.version or 0
    row = bound("connection", user, WORK.slug, "", str(version + 1))
    stored = await store(
        key,
        owner,
        str(uuid4()),
        json.dumps(tokens["scope"].split()),
        seal(tokens["access_token"], row + part("access_token")),
        seal(tokens["refresh_token"], row + part("refresh_token")),
        float(tokens["expires_in"]),
        claim.claimed_at,
        version,
        pseudonym(user),
        uuid4().hex,
    )
    return shapes.CallbackOut(connection=shown(stored))


async def store(*values: Any) -> Any:
    if not SQLITE:
        async with single.connect() as connection:
            return (await run(connection, "store", *values)).one()
    *stored, actor, number = values
    async with database.begin() as connection:
        row = (await run(connection, "upsert", *stored)).one()
        await run(connection, "end", stored[0], row.id)
        await run(connection, "audit", actor, "complete", row.provider, row.id, stored[3], number)
    return row


@app.post("/v1/connections/authorize")
async def authorize(body: shapes.AuthorizeIn, user: shapes.User) -> shapes.AuthorizeOut:
    state, verifier = secrets.token_hex(20), secrets.token_urlsafe(48)
    key = hashlib.sha256(state.encode()).hexdigest()
    place = (key, user, body.provider, body.redirect_uri)
    sealed = seal(verifier, bound("authorization_request", *place, "verifier"))
    request = (*place, WORK.registration, json.dumps(WORK.scopes), sealed, 600.0)
    await begin(*request, pseudonym(user), uuid4().hex)
    url, _ = client.create_authorization_url(WORK.authorize_url, state=state, code_verifier=verifier)
    return shapes.AuthorizeOut(url=url, state=state)


async def begin(*values: Any) -> None:
    if not SQLITE:
        async with single.connect() as connection:
            await run(connection, "begin", *values)
        return
    *request, actor, number = values
    _, user, provider, _, _, scopes, *_ = request
    async with database.begin() as connection:
        await run(connection, "remember", *request)
        await run(connection, "audit", actor, "authorize", provider, None, scopes, number)
        await run(connection, "named", actor, user)


@app.get("/v1/connections")
async def connections(userId: str, user: shapes.User) -> shapes.ListOut:  # noqa: N803 - the query's name
    if userId != user:
        raise HTTPException(403)
    async with single.connect() as connection:
        rows = (await run(connection, "list", user)).all()
    return shapes.ListOut(connections=[shown(row) for row in rows])


def shown(row: Any) -> shapes.ConnectionOut:
    return shapes.ConnectionOut(
        id=row.id,
        user_id=row.user_id,
        provider_id=WORK.provider_ids[row.provider],
        provider_slug=row.provider,
        status=row.status,
        last_sync_at=moment(row.last_sync_at),
        created_at=moment(row.created_at),
    )


def moment(text: str | None) -> str | None:
    return f"{text[:10]}T{text[11:23]}Z" if text and SQLITE else text
