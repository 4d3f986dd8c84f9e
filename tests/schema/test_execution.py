"""What a failed execution reveals: nothing of the schema in production, and nothing of a bug."""

from __future__ import annotations

from typing import Any

from resolvers.context import Context
from resolvers.errors import InternalError
from schema.execution import Executor
from tests.schema.contexts import public_context


async def _complaint(executor: Executor, document: str, context: Context) -> tuple[str, str]:
    problem = (await executor.run(document, None, context)).problem
    assert problem is not None
    return problem.code, problem.message


async def test_production_does_not_reveal_the_schema() -> None:
    closed, misspelt = Executor(explore=False), "{ provide { slug } }"
    for document in ("{ __schema { types { name } } }", '{ __type(name: "Query") { name } }', misspelt):
        code, message = await _complaint(closed, document, public_context())
        assert code == "VALIDATION_ERROR"
        assert "Did you mean" not in message
    assert "Did you mean" in (await _complaint(Executor(explore=True), misspelt, public_context()))[1]


async def test_unexpected_exceptions_are_masked() -> None:
    """Without resources a resolver fails as only a bug can."""
    nothing: Any = None
    broken = Context(nothing, caller=None, request_id="test")
    shown = await _complaint(Executor(explore=True), "{ providers { slug } }", broken)
    assert shown == (InternalError.code, InternalError.default)
