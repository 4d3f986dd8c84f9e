"""A connection to PostgreSQL: how it is opened, its settings, and what happens to a statement that is given up."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import asyncpg
from asyncpg.exceptions import InvalidCachedStatementError, TargetServerAttributeNotMatched

from models.engine.interface import Row
from models.engine.tls import tls
from models.engine.url import Host, PostgresUrl

# Time limit in seconds for connecting, if the database sets none.
_CONNECTING: Final = 30.0
# Seconds until a connection whose host is gone breaks: data that the host doesn't acknowledge, or, if there is none,
# three probes that it doesn't answer.
_VANISHED: Final = 10
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 4, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}
APPLICATION: Final = "tendon"
"""The name of Tendon's sessions at the server."""
# SQL for what `target_session_attrs` asks for. The parameters that the server reports when a connection is made would
# tell, too, but a pooler repeats those of earlier connections: after a switchover, they are wrong.
_IS_WANTED: Final = {
    "any": "true",
    "read-write": "current_setting('transaction_read_only') = 'off'",
    "primary": "NOT pg_is_in_recovery()",
}


class Connection(asyncpg.Connection):  # pyright: ignore[reportUntypedBaseClass]
    """Adds the attributes that the pool uses, runs statements with fewer calls, and sends no cancel requests."""

    generation: int = 0
    idle_since: float = 0.0
    opened_at: float = 0.0
    """By the clock of the event loop. Its session at the server is not younger."""
    process_id: int = 0
    """Of its session at the server. asyncpg only knows what a pooler has made up."""
    unanswered: asyncio.Future[None] | None = None
    """Set if the last statement was given up before the server had answered it: by our time limit, or because the task
    that waited was cancelled. Done when the server has answered, or the connection is lost."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._prepared: dict[str, Any] = {}

    async def run(self, text: str, values: Sequence[Any]) -> Sequence[Row]:
        """What `fetch` returns, outside of a transaction. From the second time on, this bypasses the eight functions of
        Python that `fetch` passes, with private members of asyncpg, whose version is pinned."""
        prepared = self._prepared.get(text)
        # asyncpg closes a statement that leaves its cache, for example after five minutes.
        if prepared is not None and not prepared.closed:
            try:
                return await self._protocol.bind_execute(prepared, values, "", 0, False, None)
            except InvalidCachedStatementError:
                # The schema has changed. Nothing has taken effect, and `fetch` prepares the statement anew.
                del self._prepared[text]
        rows = await self.fetch(text, *values)
        # Takes it from the cache.
        self._prepared[text] = await self._get_statement(text, None)
        return rows

    def _cancel_current_command(
        self, waiter: asyncio.Future[None], cancel_waiter: asyncio.Future[None] | None = None
    ) -> None:
        """Overrides the method by which asyncpg asks the server to cancel a statement.

        A COMMIT that waits for a standby must not be cancelled: the server would end the wait, and the transaction
        would be committed on this server alone, where a repeated callback would find it. The server's time-out ends
        any other statement.
        """
        waiter.set_result(None)
        self.unanswered = cancel_waiter

    @property
    def is_unanswered(self) -> bool:
        return self.unanswered is not None and not self.unanswered.done()


async def open_connection(url: PostgresUrl, host: Host, seconds: float | None, limit: float | None) -> Connection:
    """A connection to one host of the URL, within `seconds`. `limit` is the time limit for statements.

    Raises TimeoutError, and what asyncpg raises: `TargetServerAttributeNotMatched` if the server isn't what
    `target_session_attrs` asks for.
    """
    within = _CONNECTING if seconds is None else seconds
    async with asyncio.timeout(within):
        connection = await asyncpg.connect(
            **tls(url.sslmode_for(host), url.sslrootcert),
            host=host.name,
            port=host.port,
            user=url.user,
            password=url.password,
            database=url.database,
            # Checked below. Without this, PGTARGETSESSIONATTRS would apply.
            target_session_attrs="any",
            connection_class=Connection,
            # All statements have names, so none replaces another.
            max_cacheable_statement_size=0,
            # The limit of a single statement. The server's own limit, which is shorter, applies first.
            command_timeout=None if limit is None else limit + 1,
            # Never less than the limit of the block, which applies.
            timeout=max(math.ceil(within), 1),
        )
        try:
            _break_when_host_vanishes(connection)
            # Not as parameters of the connection, which a pooler may refuse or ignore. The statement has no name, since
            # a name may be in use behind a pooler in transaction mode, which is recognized later.
            session = await connection.prepare(session_settings(limit, url.target_session_attrs), name="")
            connection.process_id, is_wanted, *_ = await session.fetchrow()
            _check_wanted(is_wanted, url.target_session_attrs)
            connection.opened_at = asyncio.get_running_loop().time()
        except BaseException:
            connection.terminate()
            raise
    return connection


def session_settings(limit: float | None, wanted: str, application: str = APPLICATION) -> str:
    """SQL that returns the process id of the session, and whether the server is what is wanted. It sets what the
    session needs, whatever the defaults of the server, the database and the role are. One statement, since each costs a
    round trip."""
    settings = {
        "application_name": application,
        # Every decision is a single conditional statement, which needs no more. With `serializable`, concurrent
        # callbacks would fail with 40001.
        "default_transaction_isolation": "read committed",
        # A machine that is gone must not keep its row locks. By default, the server would notice only after hours.
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
        # The same if it had not acknowledged an answer, when no keep-alives are sent.
        "tcp_user_timeout": str(_VANISHED * 1000),
    }
    # A suspended process must not keep its row locks: hence the second. 0 is no limit, whatever the role's default is.
    for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
        settings[name] = "0" if limit is None else str(int(limit * 1000))
    return ", ".join(
        [
            f"SELECT pg_backend_pid(), {_IS_WANTED[wanted]}",
            *(f"set_config('{name}', '{value}', false)" for name, value in settings.items()),
        ]
    )


def _check_wanted(is_wanted: bool, wanted: str) -> None:
    if not is_wanted:
        raise TargetServerAttributeNotMatched(f"the server is not {wanted}")


def _break_when_host_vanishes(connection: Any) -> None:
    """Without this, the kernel would keep a connection to a host that is gone for up to 15 minutes, or for ever."""
    line = connection._transport.get_extra_info("socket")  # noqa: SLF001 - asyncpg has no other way to it
    if line is None or line.family == getattr(socket, "AF_UNIX", None):
        return
    options = {**_KEEPALIVE, "TCP_USER_TIMEOUT": _VANISHED * 1000}
    # Not every platform has all of them.
    with suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in options.items():
            if hasattr(socket, name):
                line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
