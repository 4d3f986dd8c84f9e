"""FastAPI, SQLAlchemy Core and Authlib with Tendon's own statements: the least that this stack needs."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI, HTTPException
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.peers import fastapi_shapes as shapes
from benchmarks.peers.fastapi_tables import SQLITE, engine
from benchmarks.peers.sealing import pseudonym, seal, unseal
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


def moment(value: datetime) -> Any:
    return value.isoformat(" ", "microseconds") if SQLITE else value


@app.post("/v1/connections/callback", status_code=201)
async def callback(body: shapes.CallbackIn, user: shapes.User) -> shapes.CallbackOut:
    key, owner = hashlib.sha256(body.state.encode()).hexdigest(), uuid4().hex
    code = hashlib.sha256(body.code.encode()).hexdigest()
    binding = (key, user, body.provider, body.redirect_uri, WORK.registration)
    async with single.connect() as connection:
        claim = (await run(connection, "claim", *binding, code, owner, 15.0)).first()
    if claim is None:
        raise HTTPException(400, "invalid_state")
    verifier = unseal(claim.verifier, "authorization_request", *binding[:4], "verifier")
    tokens = await client.fetch_token(
        WORK.token_url, code=body.code, code_verifier=verifier, grant_type="authorization_code"
    )
    row = await store(_values(user, claim, tokens), (key, owner, 604800.0), _audit(user, "complete"))
    return shapes.CallbackOut(connection=shown(user, WORK.slug, row))


async def store(values: tuple[Any, ...], ended: tuple[str, str, float], audit: tuple[Any, ...]) -> Any:
    if not SQLITE:
        async with single.connect() as connection:
            return (await run(connection, "store", *values, *ended, audit[-1], audit[1])).one()
    async with database.begin() as connection:
        row = (await run(connection, "upsert", *values)).one()
        key, owner, remembered = ended
        (await run(connection, "finish", key, owner, row.id, remembered)).one()
        await run(connection, "audit", *audit)
    return row


def _values(user: str, claim: Any, tokens: dict[str, Any]) -> tuple[Any, ...]:
    now, version = datetime.now(UTC), claim.version or 0
    place = ("connection", user, WORK.slug, "", str(version + 1))
    return (
        str(uuid4()),
        user,
        WORK.slug,
        moment(now),
        claim.scopes if SQLITE else json.dumps(claim.scopes),
        json.dumps(tokens["scope"].split()),
        seal(tokens["access_token"], *place, "access_token"),
        seal(tokens["refresh_token"], *place, "refresh_token"),
        moment(now + timedelta(seconds=tokens["expires_in"])),
        claim.claimed_at,
        version,
    )


@app.post("/v1/connections/authorize")
async def authorize(body: shapes.AuthorizeIn, user: shapes.User) -> shapes.AuthorizeOut:
    state, verifier = secrets.token_hex(20), secrets.token_urlsafe(48)
    key = hashlib.sha256(state.encode()).hexdigest()
    place = (key, user, body.provider, body.redirect_uri)
    sealed, scopes = seal(verifier, "authorization_request", *place, "verifier"), json.dumps(WORK.scopes)
    values = (*place, WORK.registration, scopes, sealed, 600.0)
    await begin(values, _audit(user, "authorize"))
    async with single.connect() as connection:
        await run(connection, "past", 20)
    url, _ = client.create_authorization_url(WORK.authorize_url, state=state, code_verifier=verifier)
    return shapes.AuthorizeOut(url=url, state=state)


async def begin(request: tuple[Any, ...], audit: tuple[Any, ...]) -> None:
    if not SQLITE:
        async with single.connect() as connection:
            await run(connection, "begin", *request, audit[0], audit[-1], audit[1])
        return
    async with database.begin() as connection:
        await run(connection, "remember", *request)
        await run(connection, "audit", *audit)
        await run(connection, "named", audit[1], request[1])


@app.get("/v1/connections")
async def connections(userId: str, user: shapes.User) -> shapes.ListOut:  # noqa: N803 - the query's name
    if userId != user:
        raise HTTPException(403)
    async with single.connect() as connection:
        rows = (await run(connection, "list", user)).all()
    return shapes.ListOut(connections=[shown(user, row.provider, row) for row in rows])


def _audit(user: str, action: str) -> tuple[Any, ...]:
    return moment(datetime.now(UTC)), pseudonym(user), action, WORK.slug, json.dumps(WORK.scopes), uuid4().hex


def shown(user: str, slug: str, row: Any) -> shapes.ConnectionOut:
    return shapes.ConnectionOut(
        id=str(row.id),
        user_id=user,
        provider_id=WORK.provider_ids[slug],
        provider_slug=slug,
        status=row.status,
        last_sync_at=row.last_sync_at,
        created_at=row.created_at,
    )
