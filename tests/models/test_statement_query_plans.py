"""No statement may cost more when there are more rows: each one that the code has is found, wherever it stands, and the
engines say how they would run it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from tortoise.models import Model

import models
import resolvers
from models.sealed_tables import SEALED_TABLES, SealedTable
from models.statement import Statement
from models.tables.account_owner import AccountOwner
from models.tables.audit_event import AuditEvent
from models.tables.audit_export import AuditExport
from models.tables.audit_key import AuditKey
from models.tables.audit_subject import AuditSubject
from models.tables.authorization_request import AuthorizationRequest
from models.tables.connection import Connection
from models.tables.ended_request import EndedRequest
from models.tables.revocation import Revocation
from models.tables.vault_key import VaultKey
from tests.conftest import new_database
from tests.databases import ENGINES
from tests.models.query_plans import Planner, PostgresPlanner, SqlitePlanner
from tests.orm import orm_of

M = TypeVar("M", bound=Model)

MODELS: dict[str, type[Model]] = {
    one.__name__: one
    for one in (
        AccountOwner,
        AuditEvent,
        AuditExport,
        AuditKey,
        AuditSubject,
        AuthorizationRequest,
        Connection,
        EndedRequest,
        Revocation,
        VaultKey,
    )
}
ROOMS = (models, resolvers)
# The statements that each of these tables has.
OF_SEALED_TABLES = [name for name, kind in SealedTable.__annotations__.items() if kind == Statement.__name__]
# One request in so many may be cleared away.
PAST = 10
QUERIES = {"all", "exclude", "exists", "filter", "first", "get", "get_or_none"}


def _statements() -> dict[str, Statement]:
    """Each by its module and name."""
    found: dict[int, tuple[str, Statement]] = {}
    for room in ROOMS:
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, Statement):
                    found.setdefault(id(value), (f"{module.name}.{name}", value))
    return dict(found.values()) | {
        f"models.sealed_tables.{table.name}.{name}": getattr(table, name)
        for table in SEALED_TABLES
        for name in OF_SEALED_TABLES
    }


def _calls() -> Iterator[ast.Call]:
    for room in ROOMS:
        for path in Path(room.__path__[0]).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _queries() -> list[str]:
    """What the ORM is asked, as in `Connection.filter`."""
    return [
        f"{call.func.value.id}.{call.func.attr}"
        for call in _calls()
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
        if call.func.value.id in MODELS and call.func.attr in QUERIES
    ]


STATEMENTS = _statements()


@pytest.fixture(scope="module", params=ENGINES)
async def planner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Planner]:
    """Some thousand rows in each table."""
    database = await new_database(request, tmp_path_factory.mktemp("plans"), request.param)
    async with orm_of(database.url):
        await _fill(AuthorizationRequest, _request)
        await _fill(EndedRequest, _ended)
        await _fill(Connection, _connection)
        await _fill(AccountOwner, _owner)
        await _fill(Revocation, _revocation)
        await _fill(AuditEvent, _event)
        await _fill(AuditSubject, _subject)
        planner = {"sqlite": SqlitePlanner, "postgres": PostgresPlanner}[request.param](database)
        await planner.analyze()
        yield planner


async def _fill(model: type[M], row: Callable[[int], dict[str, Any]]) -> None:
    await model.bulk_create([model(**row(number)) for number in range(5000)], batch_size=500)


def _request(number: int) -> dict[str, Any]:
    """As wide as they come: of narrow rows a server rather reads a whole table."""
    moment = datetime(2099 if number % PAST else 2020, 1, 1, tzinfo=UTC)
    status = ("pending", "exchanging", "completed", "failed")[number % 4]
    whose = {"user_id": f"user-{number % 1000}", "provider": "p", "redirect_uri": "https://app.example/oauth/callback"}
    hashes = {"state_hash": f"{number:064}", "registration": "r" * 64, "code_hash": f"{number:064}"}
    moments = dict.fromkeys(("created_at", "expires_at"), moment)
    return {"scopes": ["sleep"], "status": status, "verifier": bytes(100), **whose, **hashes, **moments}


def _ended(number: int) -> dict[str, Any]:
    moment = datetime(2099 if number % PAST else 2020, 1, 1, tzinfo=UTC)
    hashes = {"state_hash": number.to_bytes(16, "big"), "code_hash": number.to_bytes(16, "big")}
    return {"ended_at": moment, "user_id": f"user-{number}", "connection_id": uuid4(), **hashes}


def _connection(number: int) -> dict[str, Any]:
    scopes: dict[str, list[str]] = {"requested_scopes": [], "granted_scopes": []}
    moments = dict.fromkeys(("created_at", "updated_at"), datetime(2026, 1, 1, tzinfo=UTC))
    due = {"due_at": datetime(2099 if number % PAST else 2020, 1, 1, tzinfo=UTC)}
    whose = {"user_id": f"user-{number % 800}", "provider": f"p{number // 800}", "status": "connected"}
    return {"id": uuid4(), **whose, **scopes, **moments, **due}


def _owner(number: int) -> dict[str, Any]:
    whose = {"account": f"account-{number}", "user_id": f"user-{number % 800}", "connection_id": uuid4()}
    return {"provider": f"p{number // 800}", "created_at": datetime(2026, 1, 1, tzinfo=UTC), **whose}


def _revocation(number: int) -> dict[str, Any]:
    """Most of them are delivered."""
    moment = datetime(2099 if number % PAST else 2020, 1, 1, tzinfo=UTC)
    left = {} if number % PAST else {"status": "pending", "due_at": moment, "material": bytes(100)}
    whose = {"connection_id": uuid4(), "subject": f"{number:032}", "account_subject": f"{number:032}", "provider": "p"}
    return {"id": uuid4(), "ended_version": 1, "status": "delivered", "created_at": moment, **whose, **left}


def _event(number: int) -> dict[str, Any]:
    told = {"action": "complete", "provider": "p", "scopes": [], "outcome": "ok", "request_id": f"{number}"}
    return {"at": datetime(2026, 1, 1, tzinfo=UTC), "subject": f"{number % 1000:032}", **told}


def _subject(number: int) -> dict[str, Any]:
    return {"pseudonym": f"{number:032}", "user_id": f"user-{number}"}


@pytest.mark.parametrize("name", sorted(STATEMENTS))
async def test_a_statement_reaches_rows_by_an_index(planner: Planner, name: str) -> None:
    assert await _faults(planner, STATEMENTS[name]) == set()


async def _faults(planner: Planner, statement: Statement) -> set[str]:
    """Of all that it is made of."""
    return {fault for step in statement._scripts[planner.engine].steps for fault in await planner.faults(step.text)}


def test_every_statement_of_the_code_was_found() -> None:
    written = [call for call in _calls() if isinstance(call.func, ast.Name) and call.func.id == Statement.__name__]
    repeated = len(OF_SEALED_TABLES) * (len(SEALED_TABLES) - 1)
    assert len(STATEMENTS) == len(written) + repeated > 0


def test_requests_do_not_ask_the_orm() -> None:
    """Only migrations have it."""
    assert not _queries()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM connection WHERE status = :status",
        "SELECT * FROM connection WHERE provider = :provider",
        "SELECT COUNT(*) FROM audit_event",
        "DELETE FROM authorization_request WHERE expires_at < now()",
        "SELECT error FROM ended_request WHERE state_hash = :state_hash",
        "UPDATE authorization_request SET error = :error WHERE owner = :owner AND status = 'exchanging'",
    ],
)
async def test_a_statement_that_reads_a_whole_table_would_be_seen(planner: Planner, text: str) -> None:
    assert await _faults(planner, Statement(text))
