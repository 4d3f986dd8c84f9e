"""Examines a service from outside, for `tendon status`: its database, its keys and its providers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.database_check import check_exists, database_errors, lacking
from gateway.resources import Configuration
from gateway.settings import SettingsError
from models.backlog import Backlog, UnconfirmedRevocation, backlog, unconfirmed_revocations
from models.database import Database, Limits, open_database
from models.engine import SqliteUrl, parse_url
from models.revocation import TRIED
from models.server_state import ServerState, TableSize, server_state, sqlite_version, table_sizes
from models.vault_key import VaultKeys

# One connection is enough for statements that run one after the other.
_CONNECTIONS: Final = 1
# Seconds for which a transaction may be open without comment. A longer one makes statements slower and slower.
_LONG: Final = 600.0
# Seconds after which work that is due needs attention.
_LATE: Final = 600.0
# Seconds after which a provider should have confirmed a revocation: it is sent about twenty times on the first day.
_UNCONFIRMED: Final = timedelta(days=1).total_seconds()
# The same for one that was never sent. It may wait for another user's connection to the same account, for a week.
_UNSENT: Final = _UNCONFIRMED + TRIED.total_seconds()
# From this share of all connections on, there will soon be none left.
_NEARLY_FULL: Final = 0.9


class Revocations(Struct):
    """How many revocations at a provider are pending, how many of them for more than a day, and how many have
    failed."""

    pending: int = 0
    pending_for_a_day: int = 0
    failed: int = 0


@dataclass
class Status:
    """What was found. None stands for what could not be examined. `attention` has a sentence for each finding that
    needs attention, which says what to do."""

    database: str
    providers: Sequence[str]
    answered: bool = False
    engine_version: str | None = None
    server: ServerState | None = None
    tables: Mapping[str, TableSize] = field(default_factory=dict[str, TableSize])
    file_size: int | None = None
    pending: Sequence[str] | None = None
    missing: Sequence[str] | None = None
    unusable_keys: Sequence[str] | None = None
    workers: int | None = None
    backlog: Mapping[str, Backlog] | None = None
    revocations: Mapping[str, Revocations] | None = None
    attention: list[str] = field(default_factory=list[str])


async def examine(configuration: Configuration) -> Status:
    """Each statement takes at most TENDON_DATABASE_TIMEOUT, and the first that fails is the last. Raises SettingsError
    for a database that can't be used at all, such as one behind a pooler in transaction mode."""
    settings = configuration.settings
    url = settings.database_url
    status = Status(str(parse_url(url)), sorted(configuration.registrations))
    try:
        check_exists(url)
        with database_errors(url):
            async with open_database(url, Limits(_CONNECTIONS, settings.database_timeout)) as database:
                await _examine_server(status, database, url)
                await _examine_content(status, database, configuration)
    except SettingsError as fault:
        status.attention.append(str(fault))
    if status.server is not None:
        status.attention += _findings(status.server)
    return status


async def _examine_server(status: Status, database: Database, url: str) -> None:
    parsed = parse_url(url)
    if isinstance(parsed, SqliteUrl):
        status.engine_version = f"SQLite {await sqlite_version(database)}"
        from worker.engine_sqlite import has_worker  # noqa: PLC0415 - workers are another command's

        status.workers = int(has_worker(parsed.path))
        status.file_size = Path(parsed.path).stat().st_size  # noqa: ASYNC240 - nothing else runs
    else:
        status.server = await server_state(database)
        status.tables = await table_sizes(database)
        status.workers = status.server.workers
        status.engine_version = f"PostgreSQL {status.server.version}"
    status.answered = True


async def _examine_content(status: Status, database: Database, configuration: Configuration) -> None:
    status.pending, missing = await lacking(database)
    if status.pending:
        status.attention.append(f"migrations are pending: run `tendon migrate` ({', '.join(status.pending)})")
        return
    status.missing = missing
    if missing:
        rights = ", ".join(missing)
        status.attention.append(f"the role lacks {rights}: grant tendon_app's rights of docs/operating.md")
        return
    status.unusable_keys = await VaultKeys(configuration.vault, database).unusable()
    if status.unusable_keys:
        ids = ", ".join(status.unusable_keys)
        status.attention.append(
            f"rows are encrypted under keys that are missing here or differ ({ids}): put them into TENDON_VAULT_KEYS"
        )
    status.backlog = await backlog(database)
    status.attention += _late_work(status.backlog, status.workers)
    found = await unconfirmed_revocations(database)
    status.revocations = _by_provider(found)
    status.attention += _unconfirmed(found, configuration.registrations)
    await database.check_writable()


def _late_work(found: Mapping[str, Backlog], workers: int | None) -> list[str]:
    remedy = "See why in the log of `tendon worker`" if workers else "No worker runs, so start `tendon worker`"
    return [
        f"work on the table {table} is late: {work.due} due, the oldest for {work.late:.0f} s. {remedy}"
        for table, work in found.items()
        if work.late > _LATE
    ]


def _by_provider(found: Sequence[UnconfirmedRevocation]) -> dict[str, Revocations]:
    by_provider: dict[str, Revocations] = {}
    for one in sorted(found, key=lambda one: one.provider):
        counts = by_provider.setdefault(one.provider, Revocations())
        counts.failed += one.failed
        counts.pending += not one.failed
        counts.pending_for_a_day += not one.failed and one.age > _UNCONFIRMED
    return by_provider


def _unconfirmed(found: Sequence[UnconfirmedRevocation], configured: Collection[str]) -> list[str]:
    findings = Counter((one.provider, finding) for one in found if (finding := _finding(one, configured)))
    return [
        f"revocations at {provider}: {number} {finding}" for (provider, finding), number in sorted(findings.items())
    ]


def _finding(one: UnconfirmedRevocation, configured: Collection[str]) -> str | None:
    if one.failed:
        return "failed, so the provider may still give access; see Revocations in docs/operating.md"
    if one.age > _UNCONFIRMED and one.provider not in configured:
        return "can't be sent, because the provider is not available; see why in `tendon providers`"
    if one.age > (_UNCONFIRMED if one.tried else _UNSENT):
        return "pending for more than a day; see why in `revocation.postponed` in the log of `tendon worker`"
    return None


def _findings(server: ServerState) -> list[str]:
    found: list[str] = []
    connected = server.standbys if server.waited_for is None else server.waited_for
    if server.needed_standbys > connected:
        number = "no standby" if not connected else f"only {connected} of {server.needed_standbys} needed standbys"
        found.append(
            f"{number} of synchronous_standby_names ({server.synchronous_standby_names}) is connected, so no commit"
            " ends: start one"
        )
    elif server.waiting_commits:
        found.append(
            f"commits of this role that wait for a standby: {server.waiting_commits}. If there are as many in a few"
            " seconds, the standby is silent: look at it"
        )
    if server.oldest_transaction is not None and server.oldest_transaction > _LONG:
        found.append(
            f"a transaction has been open for {server.oldest_transaction:.0f} s, and no row that was changed since can"
            " be removed: look for it in pg_stat_activity and pg_prepared_xacts, and end it"
        )
    if server.sessions >= _NEARLY_FULL * server.most_sessions:
        found.append(
            f"{server.sessions} of {server.most_sessions} connections are in use: find out by whom (pg_stat_activity),"
            " or raise max_connections"
        )
    if server.role_limit is not None and server.own_sessions >= _NEARLY_FULL * server.role_limit:
        found.append(
            f"{server.own_sessions} of the role's {server.role_limit} connections are in use: lower"
            " TENDON_DATABASE_POOL, or raise the role's CONNECTION LIMIT"
        )
    return found
