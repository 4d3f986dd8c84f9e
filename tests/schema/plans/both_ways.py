"""Runs an operation by its plan and by graphql-core's executor, and compares responses and logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace
from structlog.testing import capture_logs

from resolvers.context import Context
from rest.json_http import encode
from schema.documents import Document, Operation
from schema.execution import Executor, Outcome

EXECUTOR = Executor(explore=True)


@dataclass(frozen=True)
class Observed:
    """An outcome as a caller sees it, and the log without stack frames."""

    body: bytes
    codes: list[str]
    executed: bool
    log: list[dict[str, Any]]
    data: Any
    errors: list[Any]

    @property
    def in_any_order(self) -> tuple[Any, ...]:
        """The same for errors in another order: fields that wait for the database together fail as it answers."""
        errors = sorted(encode(error) for error in self.errors)
        # Of several errors, the log has the code of the first.
        log = [{**event, "code": None} if event.get("errors", 0) > 1 else event for event in self.log]
        return encode(self.data), errors, sorted(self.codes), self.executed, sorted(map(repr, log))


def with_plan(text: str) -> Document:
    return EXECUTOR.read(text)


def without_plan(text: str) -> Document:
    """The same document without plans."""
    document = EXECUTOR.read(text)
    operations: dict[str | None, Operation] = {
        name: replace(operation, plan=None) for name, operation in document.operations.items()
    }
    return replace(document, operations=operations)


async def observe(
    document: Document, variables: Mapping[str, Any] | None, context: Context, name: str | None = None
) -> Observed:
    with capture_logs() as events:
        outcome = await EXECUTOR.run(document, variables, context, operation_name=name)
    return Observed(
        _body(outcome),
        [failure.problem.code for failure in outcome.failures],
        outcome.executed,
        [{key: value for key, value in event.items() if key != "frames"} for event in events],
        outcome.data,
        [failure.formatted for failure in outcome.failures],
    )


async def observe_both(
    text: str, variables: Mapping[str, Any] | None, context: Context, name: str | None = None
) -> Observed:
    """Asserts that both ways give the same. The operation must be repeatable."""
    by_plan = await observe(with_plan(text), variables, context, name)
    assert by_plan.in_any_order == (await observe(without_plan(text), variables, context, name)).in_any_order
    return by_plan


def runs_by_plan(text: str, variables: Mapping[str, Any] | None, name: str | None = None) -> bool:
    """Whether this request runs by a plan and not by the executor."""
    operation = with_plan(text).operations.get(name)
    return operation is not None and operation.plan is not None and operation.plan.prepare(variables or {}) is not None


def _body(outcome: Outcome) -> bytes:
    return encode({"errors": [failure.formatted for failure in outcome.failures], "data": outcome.data})
