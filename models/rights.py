"""The rights that the roles of `tendon serve` and `tendon audit export` need. They are checked at the start, because
without one of them only some requests would fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from models.database import Database
from models.engine import Script, Step

TABLE_RIGHTS: Final = {
    "account_owner": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "audit_event": ("SELECT", "INSERT"),
    "audit_key": ("SELECT", "INSERT", "UPDATE"),
    "audit_subject": ("SELECT", "INSERT", "DELETE"),
    "authorization_request": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "connection": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "ended_request": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "revocation": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "tortoise_migrations": ("SELECT",),
    "vault_key": ("SELECT", "INSERT", "UPDATE", "DELETE"),
}
SEQUENCE_RIGHTS: Final = {"audit_event_id_seq": ("USAGE",)}
EXPORT_RIGHTS: Final = {
    "audit_event": ("SELECT",),
    "audit_export": ("SELECT", "INSERT"),
    "tortoise_migrations": ("SELECT",),
}
"""The role that serves has no rights on `audit_export`: it could otherwise keep events out of the exports."""

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


async def missing_rights(
    database: Database,
    tables: Mapping[str, Sequence[str]] = TABLE_RIGHTS,
    sequences: Mapping[str, Sequence[str]] = SEQUENCE_RIGHTS,
) -> list[str]:
    """The missing rights, such as `INSERT on audit_event`; none on SQLite. The database must be migrated. Raises
    DatabaseDown."""
    if database.dialect != "postgres":
        return []
    needed = [
        (relation, right, rights is tables)
        for rights in (tables, sequences)
        for relation, names in rights.items()
        for right in names
    ]
    relations, names, are_tables = zip(*needed, strict=True)
    values = {"relations": relations, "rights": names, "are_tables": are_tables}
    return [missing for (missing,) in await database.run(_MISSING, values)]
