"""The rights that the roles of `tendon serve` and `tendon audit export` need. They are checked at the start, because
without one of them only some requests would fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from models.database import Database
from models.engine import Script, Step

TABLE_RIGHTS: Final = {
    "account_owner": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "audit_event": ("SELECT",),
    "audit_key": ("SELECT", "INSERT", "UPDATE"),
    "audit_subject": ("SELECT", "INSERT", "DELETE"),
    "authorization_request": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "connection": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "ended_request": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "revocation": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "tortoise_migrations": ("SELECT",),
    "vault_key": ("SELECT", "INSERT", "UPDATE", "DELETE"),
}
AUDIT_COLUMNS: Final = (
    "at",
    "count",
    "actor",
    "client_id",
    "subject",
    "action",
    "provider",
    "connection_id",
    "scopes",
    "outcome",
    "request_id",
)
"""The columns of `audit_event` that the role that serves may fill in: all but `id`. An export takes the events above
the id where the last one ended, so whoever chooses ids can keep events out of all exports."""
SEQUENCE_RIGHTS: Final = {"audit_event_id_seq": ("USAGE",)}
EXPORT_RIGHTS: Final = {
    "audit_event": ("SELECT",),
    "audit_export": ("SELECT", "INSERT"),
    "tortoise_migrations": ("SELECT",),
}
"""The role that serves has no rights on `audit_export`: it could otherwise keep events out of the exports."""
EXPORT_SEQUENCE_RIGHTS: Final = {"audit_event_id_seq": ("SELECT",)}

_MISSING: Final = Script(
    (
        Step(
            """
SELECT right_name || ' on ' || relation AS missing
FROM unnest($1::text[], $2::text[], $3::boolean[]) WITH ORDINALITY
    AS needed (relation, right_name, is_table, place)
WHERE NOT CASE WHEN is_table THEN has_table_privilege(relation, right_name)
    ELSE has_sequence_privilege(relation, right_name) END
ORDER BY place""",
            ("relations", "rights", "are_tables"),
        ),
    ),
    writes=False,
)
_MISSING_COLUMNS: Final = Script(
    (
        Step(
            """
SELECT column_name
FROM unnest($1::text[]) WITH ORDINALITY AS needed (column_name, place)
WHERE NOT has_column_privilege('audit_event', column_name, 'INSERT')
ORDER BY place""",
            ("columns",),
        ),
    ),
    writes=False,
)


async def missing_rights(database: Database) -> list[str]:
    """The rights that a role lacks for serving, such as `UPDATE on audit_key` or `INSERT (count) on audit_event`; none
    on SQLite. The database must be migrated. Raises DatabaseDown."""
    if database.dialect != "postgres":
        return []
    missing = await _missing(database, TABLE_RIGHTS, SEQUENCE_RIGHTS)
    columns = await database.run(_MISSING_COLUMNS, {"columns": AUDIT_COLUMNS})
    if columns:
        missing.append(f"INSERT ({', '.join(name for (name,) in columns)}) on audit_event")
    return missing


async def missing_export_rights(database: Database) -> list[str]:
    """The same for `tendon audit export`. Raises DatabaseDown."""
    if database.dialect != "postgres":
        return []
    return await _missing(database, EXPORT_RIGHTS, EXPORT_SEQUENCE_RIGHTS)


async def _missing(
    database: Database, tables: Mapping[str, Sequence[str]], sequences: Mapping[str, Sequence[str]]
) -> list[str]:
    needed = [
        (relation, right, rights is tables)
        for rights in (tables, sequences)
        for relation, names in rights.items()
        for right in names
    ]
    relations, names, are_tables = zip(*needed, strict=True)
    values = {"relations": relations, "rights": names, "are_tables": are_tables}
    return [missing for (missing,) in await database.run(_MISSING, values)]
