"""Recognizes poolers that give each transaction of a connection another session, as PgBouncer may be set to do."""

from __future__ import annotations

from typing import Any, Final

from asyncpg.exceptions import DuplicatePreparedStatementError, InvalidSQLStatementNameError

# The sessions may happen to be assigned as if the pooler were in session mode, above all if many clients use it.
_ROUNDS: Final = 30


async def have_own_sessions(first: Any, second: Any) -> bool:
    """Whether each of two connections has a session of its own. Raises what asyncpg raises."""
    try:
        if await _session(first) == first.get_server_pid():
            # The server itself answered: a pooler invents a process id for each connection.
            return True
        for _ in range(_ROUNDS):
            if not await _keep_apart(first, second):
                return False
    except (DuplicatePreparedStatementError, InvalidSQLStatementNameError):
        # The statement was prepared in one session, and executed in another.
        return False
    return True


async def _keep_apart(first: Any, second: Any) -> bool:
    before = await _session(first)
    await second.execute("BEGIN")
    try:
        # The second holds a session now. If it is that of the first, the first is given another one.
        return await _session(second) != before and await _session(first) == before
    finally:
        await second.execute("ROLLBACK")


async def _session(connection: Any) -> int:
    return await connection.fetchval("SELECT pg_backend_pid()")
