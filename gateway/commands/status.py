"""`tendon status`: prints what matters for serving, and what needs attention."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, Final

from msgspec.structs import asdict

from gateway import dev_sandbox, logs
from gateway.address import origin_of
from gateway.output import print_result
from gateway.resources import configure
from gateway.settings import read_environment, read_settings
from gateway.status import Status, examine
from models.server_state import ServerState

_NEEDS_ATTENTION: Final = 1
_WIDTH: Final = 14
# Nothing is served, so the value doesn't matter.
_ORIGIN: Final = origin_of("127.0.0.1", 8000)


def run(*, as_json: bool) -> None:
    """Exits with status 1 when something needs attention."""
    settings = read_settings()
    logs.set_up("ERROR")
    environment = dev_sandbox.with_registration(settings, _ORIGIN, read_environment())
    status = asyncio.run(examine(configure(settings, environment)))
    print_result(json.dumps(_document(status), indent=2) if as_json else _text(status))
    if status.attention:
        sys.exit(_NEEDS_ATTENTION)


def _document(status: Status) -> dict[str, Any]:
    server = status.server
    return {
        "tendon": version("tendon"),
        "ok": not status.attention,
        "attention": status.attention,
        "database": {
            "url": status.database,
            "answered": status.answered,
            "version": status.engine_version,
            "bytes": status.file_size,
        },
        "server": None if server is None else asdict(server) | {"waits_for_standby": server.waits_for_standby},
        "commits": _commits(status),
        "pending_migrations": status.pending,
        "missing_rights": status.missing,
        "tables": {name: asdict(size) for name, size in status.tables.items()},
        "unusable_keys": status.unusable_keys,
        "workers": status.workers,
        "backlog": None if status.backlog is None else {name: asdict(work) for name, work in status.backlog.items()},
        "revocations": None
        if status.revocations is None
        else {provider: asdict(counts) for provider, counts in status.revocations.items()},
        "providers": status.providers,
    }


def _text(status: Status) -> str:
    lines = [f"{name:{_WIDTH}} {value}" for name, value in _lines(status)]
    if status.attention:
        lines += ["", "needs attention:", *(f"- {sentence}" for sentence in status.attention)]
    return "\n".join(lines)


def _lines(status: Status) -> Iterator[tuple[str, str]]:
    yield "tendon", version("tendon")
    yield "database", status.database
    yield "server", f"{status.engine_version}{_role(status.server)}" if status.answered else "not known"
    yield "migrations", _listed(status.pending, "none pending", "pending: ")
    yield "rights", _listed(status.missing, "complete", "missing: ")
    yield "commits", _commits(status) or "not known"
    if status.server is not None:
        yield from _activity(status.server)
    for number, (name, size) in enumerate(status.tables.items()):
        yield "" if number else "rows", f"{name}: about {size.rows:,}, and {size.dead:,} dead"
    if status.file_size is not None:
        yield "size", f"{status.file_size:,} bytes"
    yield "vault keys", _listed(status.unusable_keys, "usable", "missing or different: ")
    yield "workers", _workers(status)
    yield "revocations", _revocations(status)
    yield "providers", ", ".join(status.providers) or "none is available; `tendon providers` says why"


def _role(server: ServerState | None) -> str:
    if server is None:
        return ""
    kind = "standby" if server.in_recovery else "primary"
    address = f" at {server.address}" if server.address else ""
    return f"{address}, {kind}{', read-only' if server.read_only else ''}"


def _commits(status: Status) -> str | None:
    """What becomes of commits in a failover."""
    server = status.server
    if server is None:
        return "in one file, without a standby" if status.answered else None
    if server.in_recovery:
        return "not known: this server is a standby, and has its own settings"
    settings = f"synchronous_commit = {server.synchronous_commit}, synchronous_standby_names = "
    settings += f"'{server.synchronous_standby_names}'"
    lost = "a failover may lose the latest commits, and a code may then be sent twice"
    if not server.waits_for_standby:
        crash = " and a crash" if server.synchronous_commit == "off" else ""
        return f"{settings}: a failover{crash}{lost.removeprefix('a failover')}"
    if server.synchronous_commit == "remote_write":
        return f"{settings}: a commit waits for a standby, which loses it if its machine crashes at the same moment"
    return f"{settings}: a commit waits for a standby"


def _activity(server: ServerState) -> Iterator[tuple[str, str]]:
    limit = "" if server.role_limit is None else f" (its limit is {server.role_limit})"
    own = f"{server.own_sessions} of this role{limit}"
    yield "connections", f"{own}, {server.sessions} of {server.most_sessions} in all"
    oldest = "none" if server.oldest_transaction is None else f"the oldest for {server.oldest_transaction:.0f} s"
    hidden = (
        f" (not counting {server.hidden_sessions} that this role can't look into)" if server.hidden_sessions else ""
    )
    yield "open", f"transactions that keep dead rows: {oldest}{hidden}"
    waited_for = "" if server.waited_for is None else f", {server.waited_for} of them waited for"
    lag = "" if server.replay_lag is None else f", {server.replay_lag:.1f} s behind"
    yield "standbys", f"{server.standbys} connected{waited_for if server.standbys else ''}{lag}"


def _workers(status: Status) -> str:
    count = "not known" if status.workers is None else str(status.workers)
    if status.backlog is None:
        return f"{count}; due work: not examined"
    due = [f"{name}: {work.due}, the oldest for {work.late:.0f} s" for name, work in status.backlog.items() if work.due]
    return f"{count}; due work: {', '.join(due) or 'none'}"


def _revocations(status: Status) -> str:
    if status.revocations is None:
        return "not examined"
    told = [
        f"{provider}: {counts.pending} pending ({counts.pending_for_a_day} for more than a day), {counts.failed} failed"
        for provider, counts in status.revocations.items()
    ]
    return "; ".join(told) or "none pending, none failed"


def _listed(found: Sequence[str] | None, nothing: str, prefix: str) -> str:
    if found is None:
        return "not examined"
    return f"{prefix}{', '.join(found)}" if found else nothing
