"""FastAPI, SQLAlchemy's ORM and Authlib, each used as its documentation shows."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from benchmarks.peers import fastapi_shapes as shapes
from benchmarks.peers.fastapi_tables import AuditEvent, AuditSubject, AuthorizationRequest, Connection, engine
from benchmarks.peers.sealing import bound, part, pseudonym, seal, unseal
from benchmarks.peers.work import WORK

database = engine()
Session = async_sessionmaker(database, expire_on_commit=False)
client = shapes.oauth_client()


async def session() -> AsyncGenerator[AsyncSession]:
    async with Session() as opened:
        yield opened


Db = Annotated[AsyncSession, Depends(session)]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    async with Session() as opened:
        await opened.execute(text("SELECT 1"))
    yield
    await database.dispose()


app = FastAPI(lifespan=lifespan)


@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {}


@app.post("/v1/connections/callback", status_code=201)
async def callback(body: shapes.CallbackIn, user: shapes.User, db: Db) -> shapes.CallbackOut:
    owner = uuid4().hex
    request = await claim(db, body, user, owner)
    place = (request.state_hash, user, body.provider, body.redirect_uri)
    verifier = unseal(request.verifier, bound("authorization_request", *place, "verifier"))
    tokens = await client.fetch_token(
        WORK.token_url, code=body.code, code_verifier=verifier, grant_type="authorization_code"
    )
    connection = await store(db, request, tokens)
    return shapes.CallbackOut(connection=shown(connection))


async def claim(db: AsyncSession, body: shapes.CallbackIn, user: str, owner: str) -> AuthorizationRequest:
    now = datetime.now(UTC)
    mine = update(AuthorizationRequest).where(
        AuthorizationRequest.state_hash == hashlib.sha256(body.state.encode()).hexdigest(),
        AuthorizationRequest.user_id == user,
        AuthorizationRequest.provider == body.provider,
        AuthorizationRequest.redirect_uri == body.redirect_uri,
        AuthorizationRequest.registration == WORK.registration,
        AuthorizationRequest.status == "pending",
        AuthorizationRequest.expires_at > now,
    )
    claimed = mine.values(
        status="exchanging",
        owner=owner,
        code_hash=hashlib.sha256(body.code.encode()).hexdigest(),
        lease_until=now + timedelta(seconds=15),
    )
    request = (await db.execute(claimed.returning(AuthorizationRequest))).scalar_one_or_none()
    await db.commit()
    if request is None:
        raise HTTPException(400, "invalid_state")
    return request


async def store(db: AsyncSession, request: AuthorizationRequest, tokens: dict[str, object]) -> Connection:
    user, slug, now = request.user_id, request.provider, datetime.now(UTC)
    found = select(Connection).where(Connection.user_id == user, Connection.provider == slug).with_for_update()
    connection = (await db.execute(found)).scalar_one_or_none()
    if connection is None:
        connection = Connection(id=uuid4(), user_id=user, provider=slug, created_at=now, version=0, consent=0)
        db.add(connection)
    connection.status, connection.updated_at, connection.granted_at = "connected", now, now
    connection.requested_scopes, connection.granted_scopes = request.scopes, str(tokens["scope"]).split()
    connection.version += 1
    connection.consent += 1
    row = bound("connection", user, slug, "", str(connection.version))
    connection.access_token = seal(tokens["access_token"], row + part("access_token"))
    connection.refresh_token = seal(tokens["refresh_token"], row + part("refresh_token"))
    connection.expires_at = now + timedelta(seconds=tokens["expires_in"])
    request.status, request.connection_id, request.verifier, request.lease_until = (
        "completed",
        connection.id,
        None,
        None,
    )
    note(db, user, "complete", slug, connection.granted_scopes, connection.id)
    await db.commit()
    return connection


def note(
    db: AsyncSession, user: str, action: str, slug: str, scopes: list[str], connection_id: UUID | None = None
) -> None:
    name = pseudonym(user)
    event = AuditEvent(actor=name, subject=name, action=action, provider=slug, scopes=scopes)
    event.connection_id = connection_id
    db.add(event)


@app.post("/v1/connections/authorize")
async def authorize(body: shapes.AuthorizeIn, user: shapes.User, db: Db) -> shapes.AuthorizeOut:
    state, verifier, now = secrets.token_hex(20), secrets.token_urlsafe(48), datetime.now(UTC)
    key = hashlib.sha256(state.encode()).hexdigest()
    place = (key, user, body.provider, body.redirect_uri)
    request = AuthorizationRequest(
        state_hash=key,
        user_id=user,
        provider=body.provider,
        redirect_uri=body.redirect_uri,
        registration=WORK.registration,
        scopes=WORK.scopes,
        verifier=seal(verifier, bound("authorization_request", *place, "verifier")),
        status="pending",
        created_at=now,
        expires_at=now + timedelta(minutes=10),
    )
    db.add(request)
    await db.merge(AuditSubject(pseudonym=pseudonym(user), user_id=user))
    note(db, user, "authorize", body.provider, WORK.scopes)
    await db.commit()
    url, _ = client.create_authorization_url(WORK.authorize_url, state=state, code_verifier=verifier)
    return shapes.AuthorizeOut(url=url, state=state)


@app.get("/v1/connections")
async def connections(userId: str, user: shapes.User, db: Db) -> shapes.ListOut:  # noqa: N803 - the query's name
    if userId != user:
        raise HTTPException(403)
    query = select(Connection).where(Connection.user_id == user).order_by(Connection.created_at, Connection.id)
    return shapes.ListOut(connections=[shown(row) for row in (await db.execute(query)).scalars()])


def shown(row: Connection) -> shapes.ConnectionOut:
    return shapes.ConnectionOut(
        id=str(row.id),
        user_id=row.user_id,
        provider_id=WORK.provider_ids[row.provider],
        provider_slug=row.provider,
        status=row.status,
        last_sync_at=moment(row.last_sync_at),
        created_at=moment(row.created_at),
    )


def moment(value: datetime | None) -> str | None:
    return value and f"{value.isoformat(timespec='milliseconds')[:23]}Z"
