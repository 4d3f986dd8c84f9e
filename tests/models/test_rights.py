"""The rights that a role lacks: each of them is named, alone."""

from __future__ import annotations

from uuid import uuid4

import asyncpg

from models.database import Database, open_database
from models.rights import AUDIT_COLUMNS, SEQUENCE_RIGHTS, TABLE_RIGHTS, missing_rights
from tests.postgres import PostgresServer

NEEDED = [
    (kind, right, relation)
    for kind, rights in (("TABLE", TABLE_RIGHTS), ("SEQUENCE", SEQUENCE_RIGHTS))
    for relation, names in rights.items()
    for right in names
]


async def test_each_missing_right_is_named(postgres: PostgresServer) -> None:
    url = await postgres.create_migrated()
    role = f"role_{uuid4().hex}"
    owner = await asyncpg.connect(url)
    try:
        await owner.execute(f"CREATE ROLE {role} LOGIN")
        async with open_database(url.replace("tendon@", f"{role}@")) as database:
            columns = f"INSERT ({', '.join(AUDIT_COLUMNS)})"
            none = [f"{right} on {relation}" for _, right, relation in NEEDED]
            assert await missing_rights(database) == [*none, f"{columns} on audit_event"]
            for kind, right, relation in NEEDED:
                await owner.execute(f"GRANT {right} ON {kind} {relation} TO {role}")
            await owner.execute(f"GRANT {columns} ON audit_event TO {role}")
            assert await missing_rights(database) == []
            for kind, right, relation in NEEDED:
                await owner.execute(f"REVOKE {right} ON {kind} {relation} FROM {role}")
                assert await missing_rights(database) == [f"{right} on {relation}"]
                await owner.execute(f"GRANT {right} ON {kind} {relation} TO {role}")
            await owner.execute(f"REVOKE INSERT (at, request_id) ON audit_event FROM {role}")
            assert await missing_rights(database) == ["INSERT (at, request_id) on audit_event"]
            # On the whole table, as earlier versions needed it.
            await owner.execute(f"GRANT INSERT ON audit_event TO {role}")
            assert await missing_rights(database) == []
    finally:
        await owner.close()


async def test_the_owner_lacks_none_and_sqlite_has_none(database: Database) -> None:
    assert await missing_rights(database) == []
