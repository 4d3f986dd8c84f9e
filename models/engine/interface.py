"""What both engines offer, and what they are given to run: SQL of their own dialect and its parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

Row = Sequence[Any]
"""The columns in the order of the statement."""
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """`connections` is the size of a process's pool (PostgreSQL; SQLite needs none). `seconds` bounds each wait: for a
    connection, for a lock, for a statement. None sets no bound, as a migration may need."""

    connections: int = 10
    seconds: float | None = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One SQL statement. `names` are those of its parameters, in the order of their placeholders. If it has a
    `condition`, it runs only if the value of that name is true."""

    text: str
    names: tuple[str, ...]
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """Steps that take effect together or not at all. Those after the first run only if the first returned a row, whose
    columns are available to them as the values `done.column`."""

    steps: tuple[Step, ...]
    writes: bool


class Session(ABC):
    """Runs scripts: the database, where each is a transaction of its own, or a transaction that is open."""

    dialect: ClassVar[Literal["sqlite", "postgres"]]

    @abstractmethod
    async def run(self, script: Script, values: Values) -> Sequence[Row]:
        """Returns the rows of the first step. Raises DatabaseDown, and the driver's exception for a mistake in the
        statement or its values."""


_PING: Final = Script((Step("SELECT 1", ()),), writes=False)
WRITE_NOTHING: Final = Script((Step("UPDATE vault_key SET key_id = key_id WHERE false", ()),), writes=True)
"""Fails on a read-only database as any write does, but matches no row and so changes nothing."""


class Database(Session):
    """An open database, shared by all tasks of a process. When a task is cancelled, its script has taken effect or not,
    and nothing is left open or locked."""

    async def ping(self) -> None:
        """Raises DatabaseDown if the database doesn't answer."""
        await self.run(_PING, {})

    @abstractmethod
    async def check_writable(self) -> None:
        """Raises DatabaseDown if writes would fail. Writes nothing itself."""

    @abstractmethod
    def exclusively(
        self, lock: int, on_wait: Callable[[], object] | None = None
    ) -> AbstractAsyncContextManager[Session]:
        """A transaction that only one process at a time can have open for the same `lock`: committed at the end of the
        block, or rolled back if that raises. `on_wait` is called if it has to wait for another. Raises DatabaseDown."""

    @abstractmethod
    async def close(self) -> None:
        """Lets what is under way finish."""
