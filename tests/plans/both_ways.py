"""One operation, run by its plan and by graphql-core's executor: what came of it as bytes, and what was logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from structlog.testing import capture_logs

from resolvers.context import Context
from rest.answers import encode
from schema.documents import Document, Operation
from schema.execution import Executor, Outcome

EXECUTOR = Executor(explore=True)


@dataclass(frozen=True)
class Told:
    """An outcome as a caller would see it, and the log without the frames of what ran."""

    body: bytes
    codes: list[str]
    executed: bool
    log: list[dict[str, Any]]


def planned(text: str) -> Document:
    return EXECUTOR.read(text)


def plain(text: str) -> Document:
    """The same document without plans."""
    document = EXECUTOR.read(text)
    operations: dict[str | None, Operation] = {
        name: replace(operation, plan=None) for name, operation in document.operations.items()
    }
    return replace(document, operations=operations)


async def told(
    document: Document, variables: Mapping[str, Any] | None, context: Context, name: str | None = None
) -> Told:
    with capture_logs() as events:
        outcome = await EXECUTOR.run(document, variables, context, operation_name=name)
    return Told(
        _body(outcome),
        [failure.problem.code for failure in outcome.failures],
        outcome.executed,
        [{key: value for key, value in event.items() if key != "frames"} for event in events],
    )


async def both(text: str, variables: Mapping[str, Any] | None, context: Context, name: str | None = None) -> Told:
    """Both ways say the same. For what can be asked again without a difference."""
    by_plan = await told(planned(text), variables, context, name)
    assert by_plan == await told(plain(text), variables, context, name)
    return by_plan


def taken(text: str, variables: Mapping[str, Any] | None, name: str | None = None) -> bool:
    """Whether a plan runs this request, and not the executor."""
    operation = planned(text).operations.get(name)
    return operation is not None and operation.plan is not None and operation.plan.prepare(variables or {}) is not None


def _body(outcome: Outcome) -> bytes:
    return encode({"errors": [failure.formatted for failure in outcome.failures], "data": outcome.data})
