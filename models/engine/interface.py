"""The interface of both engines. They run scripts: SQL in the engine's own dialect, with parameters. A `Statement`
(models/statement.py) is compiled into one script for each dialect."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from operator import itemgetter
from typing import Any, ClassVar, Final, Literal

import msgspec

Row = Sequence[Any]
"""The columns, in the order in which the statement lists them. Those whose names end in TIME_SUFFIX are datetimes, or
None."""
TIME_SUFFIX: Final = "_at"
Values = Mapping[str, Any]


class Limits(msgspec.Struct, frozen=True):
    """`connections` is the size of a process's pool to PostgreSQL; SQLite has no pool. `seconds` limits each wait: for
    a connection, for a lock, for a statement. None sets no limit, as migrations need."""

    connections: int = 10
    seconds: float | None = 5


class Step:
    """One SQL statement. `names` are the names of its parameters, in the order of their placeholders. With a
    `condition`, the step runs only if one of the values of these names is true. With `joins`, the columns of the row
    that it returns are added to that of the first step, null if it returns none; it has no effect if one of the values
    of its `condition` is null.

    `parameters` and `conditions` take what belongs to these names from the values that were passed to `run`.
    """

    def __init__(
        self, text: str, names: tuple[str, ...], condition: tuple[str, ...] = (), *, joins: bool = False
    ) -> None:
        self.text = text
        self.names = names
        self.condition = condition
        self.joins = joins
        self.parameters = _getter(names)
        self.conditions = _getter(condition)
        self.columns: tuple[str, ...] | None = None
        """The names of its columns as later steps know them. SQLite tells them when the step has run."""


def _getter(names: tuple[str, ...]) -> Callable[[Values], Sequence[Any]]:
    """Returns a function that takes the values of these names. `itemgetter` is several times faster than a
    comprehension, but returns no tuple for a single name."""
    if not names:
        return lambda _: ()
    if len(names) == 1:
        return lambda values: (values[names[0]],)
    return itemgetter(*names)


class Script(msgspec.Struct):
    """Steps that run atomically. The steps after the first run once for each row that the first returned. They can use
    its columns as the values `done.column`."""

    steps: tuple[Step, ...]
    writes: bool
    times: tuple[int, ...] | None = None
    """The places of the columns that are times. SQLite fills it in, as `Step.columns`."""


class Session(ABC):
    """Runs scripts. A session is either a Database, where each script is a transaction of its own, or an open
    transaction."""

    dialect: ClassVar[Literal["sqlite", "postgres"]]

    @abstractmethod
    def run(self, script: Script, values: Values) -> Awaitable[Sequence[Row]]:
        """The rows of the first step. Awaiting it raises DatabaseDown, Violation, and the driver's exception for a
        mistake in the statement or its values."""


_PING: Final = Script((Step("SELECT 1", ()),), writes=False)
WRITE_NOTHING: Final = Script((Step("UPDATE vault_key SET key_id = key_id WHERE false", ()),), writes=True)
"""A write that matches no row. It changes nothing, but fails on a read-only database as any write does."""


class Database(Session):
    """An open database, shared by all tasks of a process. When a task is cancelled, its script has taken effect
    completely or not at all, and no transaction or lock is left behind."""

    async def ping(self) -> None:
        """Raises DatabaseDown if the database doesn't answer."""
        await self.run(_PING, {})

    @abstractmethod
    async def check_writable(self) -> None:
        """Raises DatabaseDown if writes would fail. Changes nothing."""

    @abstractmethod
    def exclusively(
        self, lock: int, on_wait: Callable[[], object] | None = None
    ) -> AbstractAsyncContextManager[Session]:
        """A transaction that holds `lock`, which only one transaction of all processes can hold at a time. It is
        committed at the end of the block, or rolled back if the block raises. `on_wait` is called if the lock is taken
        and has to be waited for. Raises DatabaseDown."""

    async def purge(self, *, rebuild: bool = False) -> bool | None:  # noqa: ARG002 - for SQLite
        """Removes earlier versions of rows from the write-ahead log of an SQLite file, and if `rebuild`, from unused
        parts of its pages, too. Returns whether all are gone: False if another process was using the file meanwhile,
        None on PostgreSQL, which removes them by itself."""
        return None

    @abstractmethod
    async def close(self) -> None:
        """Closes the connections. Scripts that are running are finished first."""
