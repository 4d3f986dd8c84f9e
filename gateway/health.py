"""The probes for load balancers and orchestrators: `/livez` shows that the process responds, `/readyz` that it can
serve requests.

Both are public, so they name only the kind of a problem. Details are logged, once for each change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any, Final

import structlog
from starlette.types import Receive, Scope, Send

from models.database import Database
from models.pending import pending_migrations
from models.vault import Vault
from models.vault_key import VaultKeys
from resolvers.exception_details import database_outage, exception_details
from rest.json_http import JSON_TYPE, MethodNotAllowed, Response, answer, encode, problem_answer

log = structlog.get_logger("tendon")

LIVE: Final = "/livez"
READY: Final = "/readyz"

# Seconds for which the result of a database check is used, and that a check may take.
_FRESH: Final = 1.0
_TIMEOUT: Final = 2.0
# Longest interval, in seconds, at which a client counts as probing regularly. A process that stops waits until such a
# client has probed once more.
_REGULAR: Final = 10.0

_ALIVE: Final = answer({"status": "ok"})
_GOOD: Final = answer({"status": "ready"})
_WRONG_METHOD: Final = problem_answer(MethodNotAllowed("GET, HEAD"))


class Health:
    """The health of this process, as an ASGI app. `draining` is set when the process begins to stop."""

    paths: Final = (LIVE, READY)

    def __init__(self, vault: Vault) -> None:
        self.draining = False
        self._vault = vault
        self._database: Database | None = None
        self._keys: VaultKeys | None = None
        self._migrated = False
        self._reasons: Sequence[str] = ("database",)
        self._checked_at = -_FRESH
        self._check: asyncio.Task[None] | None = None
        self._probed_at = -_REGULAR
        self._next_probe = 0.0
        self._logged: tuple[Sequence[str], Any] = ((), None)

    @asynccontextmanager
    async def watching(self, database: Database) -> AsyncGenerator[None]:
        """Check `database` until the block ends. The first check starts at once, so that the log shows whether this
        process is ready even if nothing probes it."""
        self._database, self._keys = database, VaultKeys(self._vault, database)
        self._begin_check()
        try:
            yield
        finally:
            if self._check:
                self._check.cancel()
                await asyncio.wait({self._check})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to one of `paths`."""
        if scope["method"] not in ("GET", "HEAD"):
            await _WRONG_METHOD(scope, receive, send)
        elif scope["path"] == LIVE:
            await _ALIVE(scope, receive, send)
        else:
            self._note_probe()
            reasons = await self.reasons()
            await (_unready(reasons) if reasons else _GOOD)(scope, receive, send)

    @property
    def awaits_probe(self) -> bool:
        """Whether a client that probes regularly has not yet seen that this process is not ready."""
        return loop_time() < self._next_probe

    def _note_probe(self) -> None:
        now = loop_time()
        interval = now - self._probed_at
        self._probed_at = now
        # Half an interval more, for probes that are late.
        self._next_probe = 0.0 if self.draining or interval > _REGULAR else now + 1.5 * interval

    async def reasons(self) -> Sequence[str]:
        """Why this process should get no requests: any of `draining`, `database`, `migrations` and `keys`.

        Probes share one check of the database, which runs at most once a second and fails after two.
        """
        if self.draining:
            return ("draining",)
        if self._check is None and loop_time() - self._checked_at >= _FRESH:
            self._begin_check()
        if self._check:
            # A probe that disconnects must not cancel the check for the others.
            await asyncio.shield(self._check)
        return self._reasons

    def _begin_check(self) -> None:
        # What the check logs is not about the probe that started it.
        self._check = asyncio.create_task(self._run_check(), context=Context())

    async def _run_check(self) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT):
                reasons, detail = await self._problems()
        except Exception as error:  # noqa: BLE001 - a probe is always answered
            reasons, detail = ("database",), _error(error)
        finally:
            self._check, self._checked_at = None, loop_time()
        self._reasons = reasons
        self._log(reasons, detail)

    async def _problems(self) -> tuple[Sequence[str], dict[str, Any]]:
        """The reasons, and details for the log. Raises what the database raises."""
        if self._database is None or self._keys is None:
            return ("database",), {"error": "not opened yet"}
        if not self._migrated:
            await self._database.ping()
            if pending := await pending_migrations(self._database):
                return ("migrations",), {"pending": pending}
            self._migrated = True
        await self._database.check_writable()
        keys = await self._keys.watch()
        return (("keys",), {"keys": keys}) if keys else ((), {})

    def _log(self, reasons: Sequence[str], detail: dict[str, Any]) -> None:
        if (reasons, detail) == self._logged:
            return
        self._logged = (reasons, detail)
        if reasons:
            log.warning("unready", reasons=list(reasons), **detail)
        else:
            log.info("ready")


def loop_time() -> float:
    """Of the running loop."""
    return asyncio.get_running_loop().time()


def _error(error: Exception) -> dict[str, Any]:
    if isinstance(error, TimeoutError):
        return {"error": f"no answer within {_TIMEOUT} seconds"}
    reason = database_outage(error)
    return {"error": reason} if reason else exception_details(error)


def _unready(reasons: Sequence[str]) -> Response:
    body = encode({"status": "unready", "reasons": list(reasons)})
    return Response(503, body, (JSON_TYPE, (b"retry-after", b"1")))
