"""What a database server says about itself, as far as any role may ask: for `tendon status`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from models.database import Database
from models.engine import Script, Step
from models.rights import TABLE_RIGHTS

WORKER_SESSIONS: Final = "tendon-worker "
"""What the `application_name` of a worker's sessions begins with. The worker's host and process id follow."""
# Settings of `synchronous_commit` with which a COMMIT waits for the standbys that `synchronous_standby_names` names.
_WAITING: Final = ("on", "remote_apply", "remote_write")
_NUMBER: Final = re.compile(r"\s*(?:(?:FIRST|ANY)\s+)?(\d+)\s*\(", re.IGNORECASE)


class ServerState(msgspec.Struct, frozen=True):
    """The settings are those of Tendon's own sessions. Ages and lags are in seconds.

    A role without `pg_read_all_stats` doesn't see what the sessions of other roles do: `hidden_sessions` counts those.
    `standbys` are those that are connected, and `waited_for` those that commits wait for, or None if this role may not
    see which. `replay_lag` is the longest of the standbys, and None if it is unknown. `waiting_commits` are those of
    this role that wait for a standby now, and `workers` the workers of this role and this database.
    """

    version: str
    address: str | None
    in_recovery: bool
    read_only: bool
    synchronous_commit: str
    synchronous_standby_names: str
    own_sessions: int
    sessions: int
    most_sessions: int
    role_limit: int | None
    oldest_transaction: float | None
    hidden_sessions: int
    standbys: int
    waited_for: int | None
    replay_lag: float | None
    waiting_commits: int
    workers: int

    @property
    def waits_for_standby(self) -> bool:
        """Whether a COMMIT waits until a standby has it."""
        return bool(self.synchronous_standby_names.strip()) and self.synchronous_commit in _WAITING

    @property
    def needed_standbys(self) -> int:
        """How many standbys have to confirm a COMMIT: the number in `FIRST 2 (a, b)`, `ANY 2 (a, b)` or `2 (a, b)`."""
        if not self.waits_for_standby:
            return 0
        found = _NUMBER.match(self.synchronous_standby_names)
        return int(found[1]) if found else 1


class TableSize(msgspec.Struct, frozen=True):
    """Estimates of the statistics: how many rows a table has, and how many dead row versions are left to vacuum."""

    rows: int
    dead: int


# Sessions of other roles have no `backend_type` unless this role may see it. Those of the server itself have no user.
_STATE: Final = """
SELECT current_setting('server_version') AS version,
    host(inet_server_addr()) || ':' || inet_server_port() AS address,
    pg_is_in_recovery() AS in_recovery,
    current_setting('transaction_read_only') = 'on' AS read_only,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('synchronous_standby_names') AS synchronous_standby_names,
    activity.own_sessions, activity.sessions,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most_sessions,
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user) AS role_limit,
    greatest(activity.oldest, (SELECT extract(epoch FROM max(now() - prepared)) FROM pg_prepared_xacts))::float8
        AS oldest_transaction,
    activity.hidden_sessions,
    replication.standbys, replication.waited_for, replication.replay_lag, activity.waiting_commits,
    activity.workers
FROM (
    SELECT count(*) FILTER (WHERE usename = current_user) AS own_sessions,
        count(*) AS sessions,
        extract(epoch FROM max(now() - xact_start) FILTER (WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()))
            AS oldest,
        count(*) FILTER (WHERE backend_type IS NULL) AS hidden_sessions,
        count(*) FILTER (WHERE wait_event = 'SyncRep' AND usename = current_user) AS waiting_commits,
        count(DISTINCT application_name)
            FILTER (WHERE application_name LIKE 'tendon-worker %' AND usename = current_user
                AND datname = current_database()) AS workers
    FROM pg_stat_activity
    WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
) AS activity, (
    SELECT count(*) AS standbys,
        CASE WHEN count(*) = count(sync_state) THEN count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')) END
            AS waited_for,
        extract(epoch FROM max(replay_lag))::float8 AS replay_lag
    FROM pg_stat_replication
) AS replication"""

_SIZES: Final = """
SELECT relname AS name, n_live_tup AS rows, n_dead_tup AS dead FROM pg_stat_user_tables
WHERE relid = ANY(SELECT to_regclass(name) FROM unnest($1::text[]) AS name) ORDER BY relname"""

_TABLES: Final = tuple(name for name in TABLE_RIGHTS if name != "tortoise_migrations")

_READ_STATE: Final = Script((Step(_STATE, ()),), writes=False)
_READ_SIZES: Final = Script((Step(_SIZES, ("tables",)),), writes=False)
_READ_VERSION: Final = Script((Step("SELECT sqlite_version()", ()),), writes=False)


async def server_state(database: Database) -> ServerState:
    """Needs PostgreSQL. Raises DatabaseDown."""
    [row] = await database.run(_READ_STATE, {})
    return ServerState(*row)


async def table_sizes(database: Database) -> Mapping[str, TableSize]:
    """By the name of the table, of those that exist. Needs PostgreSQL. Raises DatabaseDown."""
    rows = await database.run(_READ_SIZES, {"tables": _TABLES})
    return {name: TableSize(live, dead) for name, live, dead in rows}


async def sqlite_version(database: Database) -> str:
    """Needs SQLite. Raises DatabaseDown."""
    [(version,)] = await database.run(_READ_VERSION, {})
    return version
