"""The roles of docs/operating.md: the one that serves has enough privileges, a missing one is reported clearly, and the
audit trail is immutable for it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import asyncpg
import httpx
import pytest

from models.rights import AUDIT_COLUMNS, EXPORT_RIGHTS, EXPORT_SEQUENCE_RIGHTS, SEQUENCE_RIGHTS, TABLE_RIGHTS
from tests.conftest import Person, begin
from tests.databases import PostgresDatabase
from tests.interfaces import Interface
from tests.postgres import PostgresServer
from tests.processes import Process, tendon
from tests.sandbox_control import Sandbox
from tests.waiting import until

PAGE = Path("docs/operating.md").read_text(encoding="utf-8").partition("### Roles\n")[2]
BLOCKS = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
PARTITIONS = Path("docs/scaling.md").read_text(encoding="utf-8")
ONCE, IN_DATABASE, GRANTS, LOOK_UP, RETENTION, *_ = BLOCKS


async def run(url: str, statements: str) -> str:
    """Run the statements in psql, as an operator would. Returns the output of the last one."""
    session = await asyncpg.connect(url)
    try:
        return await session.execute(statements)
    finally:
        await session.close()


def url_of(server: PostgresServer, role: str, database: str = "tendon") -> str:
    return server.url(database).replace("tendon@", f"{role}@")


@pytest.fixture(scope="session")
async def roles(postgres: PostgresServer) -> PostgresServer:
    for statement in ONCE.strip().split(";\n"):
        await run(postgres.url("postgres"), statement)
    await run(postgres.url("tendon"), IN_DATABASE)
    return postgres


@pytest.fixture(scope="session")
def owners(settings: dict[str, str], roles: PostgresServer) -> dict[str, str]:
    return settings | {"TENDON_DATABASE_URL": url_of(roles, "tendon_owner")}


@pytest.fixture(scope="session")
def apps(settings: dict[str, str], roles: PostgresServer) -> dict[str, str]:
    return settings | {"TENDON_DATABASE_URL": url_of(roles, "tendon_app")}


@pytest.fixture(scope="session")
async def granted(
    roles: PostgresServer, owners: dict[str, str], apps: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a service whose database is set up as the page says. Checks on the way that missing steps are
    reported."""
    folder = tmp_path_factory.mktemp("rights")
    for command in ("migrate", "serve"):
        refused = await asyncio.to_thread(tendon, command, cwd=folder, settings=apps)
        assert refused.returncode == 2, command
        assert "Traceback" not in refused.stderr
    migrated = await asyncio.to_thread(tendon, "migrate", cwd=folder, settings=owners)
    assert migrated.returncode == 0, migrated.stderr
    unreadable = await asyncio.to_thread(tendon, "serve", cwd=folder, settings=apps)
    assert "42501): this role lacks a right" in unreadable.stderr
    # A role with all privileges, as an earlier version of the page granted them.
    everything = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO tendon_app"
    await run(owners["TENDON_DATABASE_URL"], everything)
    for _ in range(2):
        await run(owners["TENDON_DATABASE_URL"], GRANTS)
    return folder


async def test_a_role_that_only_serves(
    granted: Path,
    apps: dict[str, str],
    roles: PostgresServer,
    sandbox: Sandbox,
    client: httpx.AsyncClient,
    someone: Person,
    another: Person,
    interface: type[Interface],
) -> None:
    process = await asyncio.to_thread(Process, "serve", folder=granted, settings=apps)
    api = interface(client, process.origin)
    callback = await begin(api, sandbox, someone)
    connection = (await api.complete(someone.token, **callback)).connection
    for _ in range(3):
        assert (await api.complete(someone.token, **callback)).connection == connection
        assert (await api.complete(another.token, **callback)).code == "INVALID_STATE"
    assert (await api.complete(someone.token, **await begin(api, sandbox, someone))).connection == connection
    refused = await begin(api, sandbox, someone, decision="deny")
    assert (await api.complete(someone.token, **refused)).code == "ACCESS_DENIED"
    assert (await api.connections(someone.token, userId=someone.id)).data == {"connections": [connection]}
    assert (await api.connections(another.token, userId=someone.id)).code == "FORBIDDEN"
    owner, as_app = url_of(roles, "tendon_owner"), PostgresDatabase(url_of(roles, "tendon_app"))
    for table, column, cleared in (("authorization_request", "expires_at", 3), ("ended_request", "ended_at", 0)):
        await run(owner, f"UPDATE {table} SET {column} = '2020-01-01'")
        process.kill()
        process = await asyncio.to_thread(Process, "serve", folder=granted, settings=apps)
        api = interface(client, process.origin)
        # The first authorize after a start clears whatever is past.
        await begin(api, sandbox, someone)
        past = f"SELECT count(*) FROM {table} WHERE {column} < '2021-01-01'"

        async def is_cleared(past: str = past) -> bool:
            return await as_app.value(past) == 0

        await until(is_cleared, "the clearing")
        assert await as_app.value("SELECT count(*) FROM ended_request") == cleared
    assert (await api.erase("dev-service:eraser", userId=someone.id)).data["removed"]["connections"] == 1
    assert (await client.get(f"{process.origin}/readyz")).status_code == 200
    assert process.stop() == 0
    faults = {"fault", "database.down", "purge.failed", "audit.delayed"}
    assert not {line["event"] for line in process.logged()} & faults


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET outcome = 'ok'",
        "DELETE FROM audit_event",
        # With ids of its own choice, it could keep events out of the exports.
        "INSERT INTO audit_event (id, at, action, scopes, outcome, request_id)"
        " VALUES (4000000000000000000, now(), 'authorize', '[]', 'ok', 'x')",
        "SELECT * FROM audit_export",
        "INSERT INTO audit_export VALUES (1, 1, 1, '', now())",
        "TRUNCATE audit_event",
        "DROP TABLE audit_event",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "UPDATE audit_subject SET user_id = 'x'",
        "DELETE FROM audit_key",
        "SELECT setval('audit_event_id_seq', 1)",
        "DELETE FROM tortoise_migrations",
        "CREATE TABLE mine (x integer)",
    ],
)
async def test_what_the_serving_role_can_not_do(granted: Path, roles: PostgresServer, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run(url_of(roles, "tendon_app"), statement)


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        ("tendon_app", TABLE_RIGHTS | SEQUENCE_RIGHTS),
        ("tendon_export", EXPORT_RIGHTS | EXPORT_SEQUENCE_RIGHTS),
    ],
)
def test_the_rights_that_are_checked_are_those_of_the_page(role: str, rights: dict[str, tuple[str, ...]]) -> None:
    granted = {
        relation: set(rights.split(", "))
        for rights, relations in re.findall(rf"GRANT ([A-Z, ]+) ON (?:SEQUENCE )?([a-z_, ]+) TO {role};", GRANTS)
        for relation in relations.split(", ")
    }
    assert {relation: set(names) for relation, names in rights.items()} == granted


async def test_the_serving_role_fills_in_all_columns_of_audit_event_but_its_id(
    granted: Path, roles: PostgresServer
) -> None:
    (columns,) = re.findall(r"GRANT INSERT \(([a-z_, ]+)\) ON audit_event TO tendon_app;", GRANTS)
    assert columns.split(", ") == list(AUDIT_COLUMNS)
    assert re.findall(r"GRANT INSERT \(([a-z_, ]+)\) ON audit_event", PARTITIONS) == [columns]
    found = await PostgresDatabase(url_of(roles, "tendon_owner")).fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'audit_event'::regclass AND attnum > 0 AND NOT attisdropped"
    )
    assert {name for (name,) in found} == {"id", *AUDIT_COLUMNS}


@pytest.mark.parametrize(
    ("taken", "lacking"),
    [
        ("SELECT ON audit_subject", "SELECT on audit_subject"),
        ("INSERT ON audit_subject, audit_key", "INSERT on audit_key, INSERT on audit_subject"),
        ("UPDATE, DELETE ON authorization_request", "UPDATE on authorization_request, DELETE on authorization_request"),
        ("USAGE ON SEQUENCE audit_event_id_seq", "USAGE on audit_event_id_seq"),
        ("INSERT (scopes, count) ON audit_event", "INSERT (count, scopes) on audit_event"),
    ],
)
async def test_a_right_that_was_not_granted_is_named_at_the_start(
    granted: Path, apps: dict[str, str], owners: dict[str, str], taken: str, lacking: str
) -> None:
    await run(owners["TENDON_DATABASE_URL"], f"REVOKE {taken} FROM tendon_app")
    try:
        refused = await asyncio.to_thread(tendon, "serve", cwd=granted, settings=apps)
    finally:
        await run(owners["TENDON_DATABASE_URL"], GRANTS)
    problem = f"its role lacks {lacking}: grant tendon_app's rights of docs/operating.md"
    assert (refused.returncode, refused.stderr.splitlines()[-1]) == (2, f"TENDON_DATABASE_URL: {problem}")


async def test_the_serving_role_can_ask_for_the_status(
    granted: Path, apps: dict[str, str], owners: dict[str, str]
) -> None:
    status = await asyncio.to_thread(tendon, "status", cwd=granted, settings=apps)
    assert (status.returncode, status.stderr) == (0, "")
    assert re.search(r"^rights +complete$", status.stdout, re.MULTILINE)
    await run(owners["TENDON_DATABASE_URL"], "REVOKE UPDATE ON vault_key FROM tendon_app")
    try:
        status = await asyncio.to_thread(tendon, "status", cwd=granted, settings=apps)
    finally:
        await run(owners["TENDON_DATABASE_URL"], GRANTS)
    told = "- the role lacks UPDATE on vault_key: grant tendon_app's rights of docs/operating.md"
    assert (status.returncode, status.stdout.splitlines()[-1]) == (1, told)


async def test_the_owner_of_the_tables_may_serve_as_well(granted: Path, owners: dict[str, str]) -> None:
    process = await asyncio.to_thread(Process, "serve", folder=granted, settings=owners)
    assert process.stop() == 0


EVENT = """INSERT INTO audit_event (at, action, scopes, outcome, request_id)
    VALUES ({at}, 'authorize', '[]', 'ok', 'retention')"""


async def test_what_the_export_role_and_the_retention_role_can_do(
    granted: Path, roles: PostgresServer, owners: dict[str, str], tmp_path: Path
) -> None:
    """Retention deletes what is old enough and was exported, and nothing else."""
    owner, export, retention = [url_of(roles, f"tendon_{name}") for name in ("owner", "export", "retention")]
    await run(owner, "DELETE FROM audit_event")
    await run(owner, EVENT.format(at="'2020-01-01'"))
    await run(owner, EVENT.format(at="now()"))
    assert await run(retention, RETENTION) == "DELETE 0"
    settings = {"TENDON_DATABASE_URL": export}
    file = tmp_path / "audit.jsonl"
    done = await asyncio.to_thread(tendon, "audit", "export", "--out", str(file), cwd=tmp_path, settings=settings)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert file.read_text().count('"event"') == 2
    await run(owner, EVENT.format(at="'2020-01-01'"))
    assert await run(retention, RETENTION) == "DELETE 1"
    for role, others in (
        (retention, ["INSERT INTO audit_export VALUES (9, 9, 9, '', now())", "DELETE FROM audit_export"]),
        (export, ["DELETE FROM audit_event", "UPDATE audit_export SET last_id = 0", "DELETE FROM audit_export"]),
    ):
        statements = (
            "UPDATE audit_event SET outcome = 'ok'",
            EVENT.format(at="now()"),
            "SELECT * FROM audit_subject",
            "SELECT * FROM connection",
            *others,
        )
        for statement in statements:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await run(role, statement)


async def test_no_event_is_exported_beside_one_whose_id_is_not_from_the_sequence(
    granted: Path, roles: PostgresServer, tmp_path: Path
) -> None:
    """Later events would have lower ids, and be in no export."""
    owner = url_of(roles, "tendon_owner")
    settings = {"TENDON_DATABASE_URL": url_of(roles, "tendon_export")}
    await run(owner, EVENT.format(at="now()"))
    await run(owner, EVENT.format(at="now()").replace("(at", "(id, at").replace("VALUES (", "VALUES (4000000000, "))
    exports = "SELECT count(*) FROM audit_export"
    before = await PostgresDatabase(owner).value(exports)
    file = tmp_path / "audit.jsonl"
    export = ("audit", "export", "--out", str(file))
    try:
        refused = await asyncio.to_thread(tendon, *export, cwd=tmp_path, settings=settings)
    finally:
        # As the page says.
        removed = await run(owner, "DELETE FROM audit_event WHERE id > (SELECT last_value FROM audit_event_id_seq)")
    assert (refused.returncode, removed, file.exists()) == (1, "DELETE 1", False)
    assert "the id 4000000000 does not come from the sequence of audit_event" in refused.stderr
    assert await PostgresDatabase(owner).value(exports) == before
    done = await asyncio.to_thread(tendon, *export, cwd=tmp_path, settings=settings)
    assert (done.returncode, file.exists()) == (0, True), done.stderr


async def test_an_export_names_the_rights_that_its_role_lacks(
    granted: Path, apps: dict[str, str], tmp_path: Path
) -> None:
    settings = {"TENDON_DATABASE_URL": apps["TENDON_DATABASE_URL"]}
    done = await asyncio.to_thread(tendon, "audit", "export", cwd=tmp_path, settings=settings)
    lacking = "its role lacks SELECT on audit_export, INSERT on audit_export, SELECT on audit_event_id_seq"
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == (
        f"TENDON_DATABASE_URL: {lacking}: grant tendon_export's rights of docs/operating.md"
    )


async def test_the_trail_of_a_user_is_found_as_the_page_says(
    granted: Path, apps: dict[str, str], roles: PostgresServer, client: httpx.AsyncClient, interface: type[Interface]
) -> None:
    process = await asyncio.to_thread(Process, "serve", folder=granted, settings=apps)
    api = interface(client, process.origin)
    redirect_uri = "https://app.example/oauth/callback"
    assert (await api.authorize("dev:alice", provider="sandbox", redirectUri=redirect_uri)).code is None
    found = await PostgresDatabase(url_of(roles, "tendon_app")).fetch(LOOK_UP)
    assert found[0][1:6] == ("authorize", "sandbox", "ok", 1, "dev")
    assert process.stop() == 0
