"""Tendon's tables as SQLAlchemy models, and the SQLAlchemy engine, for the FastAPI peers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import JSON, BigInteger, DateTime, Integer, LargeBinary, String, Text, UniqueConstraint, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.peers.work import WORK

SQLITE = WORK.engine == "sqlite"


def engine() -> AsyncEngine:
    """SQLite uses one connection, as in Tendon, because writers would only wait for each other."""
    if not SQLITE:
        url = WORK.database.replace("postgres://", "postgresql+asyncpg://")
        return create_async_engine(url, pool_size=WORK.pool, max_overflow=0)
    made = create_async_engine(f"sqlite+aiosqlite:///{WORK.database}", pool_size=1, max_overflow=0)
    event.listen(made.sync_engine, "connect", _make_durable)
    return made


def _make_durable(session: Any, _record: object) -> None:
    session.execute("PRAGMA synchronous = FULL").close()


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        list[str]: JSON().with_variant(JSONB(), "postgresql"),
        bytes: LargeBinary,
    }


class AuthorizationRequest(Base):
    __tablename__ = "authorization_request"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(255))
    provider: Mapped[str] = mapped_column(String(63))
    redirect_uri: Mapped[str] = mapped_column(Text)
    registration: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]]
    verifier: Mapped[bytes | None]
    status: Mapped[str] = mapped_column(String(16))
    code_hash: Mapped[str | None] = mapped_column(String(64))
    owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    connection_id: Mapped[UUID | None]
    error: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class Connection(Base):
    __tablename__ = "connection"
    __table_args__ = (UniqueConstraint("user_id", "provider"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[str] = mapped_column(String(255))
    provider: Mapped[str] = mapped_column(String(63))
    status: Mapped[str] = mapped_column(String(16))
    account: Mapped[str | None] = mapped_column(String(256))
    former_account: Mapped[str | None] = mapped_column(String(256))
    requested_scopes: Mapped[list[str]]
    granted_scopes: Mapped[list[str]]
    access_token: Mapped[bytes | None]
    refresh_token: Mapped[bytes | None]
    expires_at: Mapped[datetime | None]
    last_sync_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    consent: Mapped[int]
    granted_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class AuditEvent(Base):
    __tablename__ = "audit_event"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    count: Mapped[int] = mapped_column(default=1)
    actor: Mapped[str | None] = mapped_column(String(32))
    client_id: Mapped[str | None] = mapped_column(String(255), default="dev")
    subject: Mapped[str | None] = mapped_column(String(32))
    action: Mapped[str] = mapped_column(String(32))
    provider: Mapped[str | None] = mapped_column(String(63))
    connection_id: Mapped[UUID | None]
    scopes: Mapped[list[str]]
    outcome: Mapped[str] = mapped_column(String(64), default="ok")
    request_id: Mapped[str] = mapped_column(String(64), default=lambda: uuid4().hex)


class AuditSubject(Base):
    __tablename__ = "audit_subject"

    pseudonym: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(255))
