"""Measures what tokens cost: to issue one from its row, compared with a service's `connection(id)`, and to refresh one
ahead of time.

    .venv/bin/python -m benchmarks.tokens [--rounds 9] [--refreshes 600] [--engines sqlite postgres]
        [--fillfactors 70 80 90 100]

The figures are CPU time of Tendon's processes, as the operating system counts it. The calls are made in interleaved
rounds, and the provider is another process. Both kinds of calls are recorded in the audit trail. On PostgreSQL, it also
says how many of the updates of a refresh were HOT, and how much write-ahead log it takes. Linux only.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from benchmarks import proc, workload
from benchmarks.contenders import ENGINES
from benchmarks.databases import Database, Record, open_engine
from benchmarks.installing import prepare, scratch
from benchmarks.testbed import Provider
from models.connection import token_field
from models.ids import new_id
from rest.routes import ROUTES
from tests.processes import TENDON, Process, environment, tendon

CALLS: Final = 400
CONNECTIONS: Final = 50
"""Those whose tokens are issued, in turn."""

HOUR: Final = 3600
AN_HOUR: Final = 10_000
"""The connections that one worker has to refresh in an hour."""

_HEADERS: Final = {"Authorization": "Bearer dev-service:etl", "Content-Type": "application/json"}
_ISSUE: Final = next(route.document for route in ROUTES if route.operation == "IssueAccessToken")
_READ: Final = (
    "query ($id: ID!) { connection(id: $id) { id userId providerId providerSlug status lastSyncAt createdAt } }"
)
_COLUMNS: Final = (
    *("id", "user_id", "provider", "status", "requested_scopes", "granted_scopes", "access_token", "refresh_token"),
    *("expires_at", "version", "granted_at", "created_at", "updated_at", "due_at", "consent"),
)
_REFRESHED: Final = "SELECT count(*) FROM connection WHERE version = 2"


def seeded(provider: Provider, count: int, first: int, due_at: datetime | None) -> Iterator[Record]:
    """Connections whose access tokens are valid for an hour. Without `due_at`, they are no work for the worker."""
    now = datetime.now(UTC)
    scopes = json.dumps(list(workload.SCOPES))
    for number in range(first, first + count):
        user = f"owner-{number}"
        tokens = [
            provider.vault.seal(token, **token_field(user, workload.SLUG, 1, column))
            for column, token in (
                ("access_token", workload.access_token(number)),
                ("refresh_token", workload.refresh_token(number)),
            )
        ]
        ends = now + timedelta(hours=1)
        named = (UUID(new_id()), user, workload.SLUG, "connected", scopes, scopes)
        yield (*named, *tokens, ends, 1, now, now, now, due_at, 1)


class Calls:
    """A service's calls to a gateway, on one connection."""

    def __init__(self, process: Process, ids: list[str]) -> None:
        self._process = process
        self._ids = ids
        self._line = http.client.HTTPConnection("127.0.0.1", process.port)

    def by_rest(self, number: int) -> bytes:
        return self._post(f"/v1/connections/{self._id(number)}/token", {})

    def by_graphql(self, number: int) -> bytes:
        return self._post("/graphql", {"query": _ISSUE, "variables": {"input": {"connectionId": self._id(number)}}})

    def read(self, number: int) -> bytes:
        return self._post("/graphql", {"query": _READ, "variables": {"id": self._id(number)}})

    def cost(self, call: Callable[[int], bytes], expected: bytes) -> float:
        """Microseconds of CPU time per call."""
        before = proc.cpu(self._process.pid)
        for number in range(CALLS):
            body = call(number)
            assert expected in body, body
        return proc.spent(before, proc.cpu(self._process.pid)) / CALLS * 1e6

    def _id(self, number: int) -> str:
        return self._ids[number % len(self._ids)]

    def _post(self, path: str, body: Any) -> bytes:
        self._line.request("POST", path, json.dumps(body), _HEADERS)
        return self._line.getresponse().read()


def issuing(calls: Calls, rounds: int) -> str:
    """Compares with a read of the connection, which says whether it exists and is connected."""
    kinds = {
        "read": (calls.read, b'"connected"'),
        "REST": (calls.by_rest, b'"accessToken"'),
        "GraphQL": (calls.by_graphql, b'"accessToken"'),
    }
    for kind in kinds.values():
        calls.cost(*kind)
    costs = {name: list[float]() for name in kinds}
    for _ in range(rounds):
        for name, kind in kinds.items():
            costs[name].append(calls.cost(*kind))
    # Other activity can only add cost.
    cheap = {name: sorted(found)[len(found) // 5] for name, found in costs.items()}
    ratios = {
        name: statistics.median(one / read for one, read in zip(costs[name], costs["read"], strict=True))
        for name in ("REST", "GraphQL")
    }
    shown = ", ".join(f"{name} {cheap[name]:.0f} us ({ratios[name]:.2f})" for name in ratios)
    return f"connection(id) {cheap['read']:.0f} us, issueAccessToken from the row: {shown}"


def refreshing(settings: dict[str, str], folder: Path, database: Database, count: int, provider: Provider) -> str:
    """Lets one worker refresh connections that are all due."""
    command = [str(TENDON), "worker"]
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment(**settings), stdout=log, stderr=log)
    try:
        _until(lambda: "work.ready" in (folder / "worker.log").read_text(), 60)
        time.sleep(3)
        idle_from, began = proc.cpu(process.pid), time.monotonic()
        time.sleep(10)
        idle = proc.spent(idle_from, proc.cpu(process.pid)) / (time.monotonic() - began)
        database.insert("connection", _COLUMNS, seeded(provider, count, 1000, datetime(2026, 1, 1, tzinfo=UTC)))
        updates, wal = _written(database)
        before, began = proc.cpu(process.pid), time.monotonic()
        _until(lambda: database.rows(_REFRESHED)[0][0] == count, 600)
        took = time.monotonic() - began
        spent = proc.spent(before, proc.cpu(process.pid)) - idle * took
    finally:
        process.terminate()
        process.wait(timeout=60)
    share = (spent / count * AN_HOUR / HOUR + idle) * 100
    found = f"{spent / count * 1000:.1f} ms of CPU per refresh ahead, idle {idle * 100:.1f} % of a core; "
    found += f"{AN_HOUR} an hour take {share:.1f} % of a core ({count} in {took:.0f} s)"
    if updates is None:
        return found
    time.sleep(2)
    after, wal_after = _written(database)
    assert after
    assert wal is not None
    assert wal_after is not None
    all_, hot = after[0] - updates[0], after[1] - updates[1]
    return (
        f"{found}; {all_ / count:.1f} updates of the row per refresh, {hot / all_ * 100:.0f} % HOT, "
        f"{(wal_after - wal) / count / 1024:.1f} kB of WAL"
    )


def _written(database: Database) -> tuple[tuple[int, int] | None, int | None]:
    """The updates of connections so far, those of them that were HOT, and the bytes of write-ahead log."""
    if database.url.startswith("sqlite"):
        return None, None
    updates = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'connection'"
    ((all_, hot),) = database.rows(updates)
    ((wal,),) = database.rows("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
    return (all_, hot), wal


def _until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.2)


def measure(name: str, given: argparse.Namespace, folder: Path) -> None:
    engine = open_engine(name, folder)
    if engine is None:
        print(f"{name} is not installed, so it was not measured")
        return
    with ExitStack() as stack:
        stack.callback(engine.close)
        provider = Provider(folder / name, refresh_ahead=True)
        stack.callback(provider.close)
        provider.wait()
        template = engine.create("tokens")
        own = provider.settings | {"TENDON_LOG_LEVEL": "WARNING"}
        migrated = tendon("migrate", cwd=folder / name, settings=own | {"TENDON_DATABASE_URL": template.url})
        assert migrated.returncode == 0, migrated.stderr
        if given.rounds:
            database = engine.create("issued", template)
            database.insert("connection", _COLUMNS, seeded(provider, CONNECTIONS, 0, None))
            ids = [str(id_) for (id_,) in database.rows("SELECT id FROM connection")]
            settings = own | {"TENDON_DATABASE_URL": database.url}
            process = Process("serve", folder=folder / name, settings=settings, fresh=True)
            stack.callback(process.kill)
            print(f"{name}: {issuing(Calls(process, ids), given.rounds)}", flush=True)
        for fillfactor in given.fillfactors if name == "postgres" else [None]:
            database = engine.create(f"refreshed-{fillfactor}", template)
            if fillfactor:
                database.run(f"ALTER TABLE connection SET (fillfactor = {fillfactor})")
            settings = own | {"TENDON_DATABASE_URL": database.url, "TENDON_LOG_LEVEL": "INFO"}
            work = folder / name / f"worker-{fillfactor}"
            work.mkdir()
            found = refreshing(settings, work, database, given.refreshes, provider)
            print(f"{name}{f', fillfactor {fillfactor}' if fillfactor else ''}: {found}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--refreshes", type=int, default=600)
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=ENGINES)
    parser.add_argument("--fillfactors", nargs="*", type=int, default=[80])
    given = parser.parse_args()
    prepare()
    with ExitStack() as stack:
        folder = scratch(stack)
        for name in given.engines:
            measure(name, given, folder)


if __name__ == "__main__":
    main()
