"""Health, for what runs this process: `/livez` says that it answers, `/readyz` that it can do its work.

Neither asks for a token, and neither says more than words: what is wrong in detail is in the log, once per change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from models.database import Database
from models.pending import pending_migrations
from models.vault import Vault
from models.vault_key import VaultKeys
from resolvers.failures import described, outage
from rest.answers import MethodNotAllowed, answer, problem_answer

log = structlog.get_logger("tendon")

LIVE: Final = "/livez"
READY: Final = "/readyz"

# Seconds that a look at the database counts for, and that one may take.
_FRESH: Final = 1.0
_PATIENCE: Final = 2.0
# Longest interval, in seconds, between two probes that counts as regular: the next one is awaited on shutdown.
_REGULAR: Final = 10.0

# A Response may be sent any number of times: it holds nothing of a request.
_ALIVE: Final = answer({"status": "ok"})
_GOOD: Final = answer({"status": "ready"})
_WRONG_METHOD: Final = problem_answer(MethodNotAllowed("GET, HEAD"))


class Health:
    """Of one process. `draining` is set when it was told to stop."""

    paths: Final = (LIVE, READY)

    def __init__(self, vault: Vault) -> None:
        self.draining = False
        self._vault = vault
        self._database: Database | None = None
        self._keys: VaultKeys | None = None
        self._at_head = False
        self._reasons: Sequence[str] = ("database",)
        self._looked_at = -_FRESH
        self._look: asyncio.Task[None] | None = None
        self._probed_at = -_REGULAR
        self._next_probe = 0.0
        self._told: tuple[Sequence[str], Any] = ((), None)

    @asynccontextmanager
    async def watching(self, database: Database) -> AsyncGenerator[None]:
        """Watch this database for as long as the block runs. Checks it at once, so that the log says whether this
        process is ready even if nothing probes it."""
        self._database, self._keys = database, VaultKeys(self._vault, database)
        self._begin()
        try:
            yield
        finally:
            if self._look:
                self._look.cancel()
                await asyncio.wait({self._look})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request to one of `paths`."""
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
        """Whether a regular prober has yet to see that this process is not ready."""
        return monotonic() < self._next_probe

    def _note_probe(self) -> None:
        now = monotonic()
        interval = now - self._probed_at
        self._probed_at = now
        # Half an interval more, for probes that are late.
        self._next_probe = 0.0 if self.draining or interval > _REGULAR else now + 1.5 * interval

    async def reasons(self) -> Sequence[str]:
        """Why this process should be sent no requests: of `draining`, `database`, `migrations` and `keys`.

        Probes share one look at the database, which is taken at most once a second and given up after two.
        """
        if self.draining:
            return ("draining",)
        if self._look is None and monotonic() - self._looked_at >= _FRESH:
            self._begin()
        if self._look:
            # A probe that hangs up must not end the look for the others.
            await asyncio.shield(self._look)
        return self._reasons

    def _begin(self) -> None:
        self._look = asyncio.create_task(self._see())

    async def _see(self) -> None:
        # What it finds concerns the process and not the probe that happened to come.
        structlog.contextvars.unbind_contextvars("request_id")
        try:
            async with asyncio.timeout(_PATIENCE):
                reasons, detail = await self._seen()
        except Exception as fault:  # noqa: BLE001 - a probe is always answered
            reasons, detail = ("database",), _why(fault)
        finally:
            self._look, self._looked_at = None, monotonic()
        self._reasons = reasons
        self._tell(reasons, detail)

    async def _seen(self) -> tuple[Sequence[str], dict[str, Any]]:
        """What is wrong, and more of it for the log. Raises what the database raises."""
        if self._database is None or self._keys is None:
            return ("database",), {"error": "not opened yet"}
        if not self._at_head:
            await self._database.ping()
            if pending := await pending_migrations(self._database):
                return ("migrations",), {"pending": pending}
            self._at_head = True
        await self._database.check_writable()
        keys = await self._keys.unusable()
        return (("keys",), {"keys": keys}) if keys else ((), {})

    def _tell(self, reasons: Sequence[str], detail: dict[str, Any]) -> None:
        if (reasons, detail) == self._told:
            return
        self._told = (reasons, detail)
        if reasons:
            log.warning("unready", reasons=list(reasons), **detail)
        else:
            log.info("ready")


def _why(fault: Exception) -> dict[str, Any]:
    if isinstance(fault, TimeoutError):
        return {"error": f"no answer within {_PATIENCE} seconds"}
    reason = outage(fault)
    return {"error": reason} if reason else described(fault)


def _unready(reasons: Sequence[str]) -> Response:
    response = answer({"status": "unready", "reasons": list(reasons)}, 503)
    response.headers["Retry-After"] = "1"
    return response
