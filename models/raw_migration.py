"""Parts of migrations that the ORM can't express: primary keys of several columns, partial indexes, fill factors."""

from __future__ import annotations

from typing import Any

from tortoise.migrations import operations as ops


def sql(*, postgres: str, sqlite: str) -> ops.RunPython:
    """An operation that runs the script of the database's dialect. It changes tables without the ORM's knowledge."""

    async def run(_apps: Any, state_editor: Any) -> None:
        is_sqlite = state_editor.client.capabilities.dialect == "sqlite"
        await state_editor.client.execute_script(sqlite if is_sqlite else postgres)

    return ops.RunPython(run)


class Told(ops.TortoiseOperation):
    """An operation that only tells the ORM of a change that `sql` has made."""

    def __init__(self, operation: ops.TortoiseOperation) -> None:
        self._operation = operation

    def state_forward(self, app_label: str, state: Any) -> None:
        self._operation.state_forward(app_label, state)

    async def database_forward(self, app_label: str, old_state: Any, new_state: Any, state_editor: Any = None) -> None:
        """Nothing is left to do."""
