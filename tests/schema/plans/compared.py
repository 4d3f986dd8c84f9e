"""Runs an operation of any schema by its plan and by graphql-core's `execute`, and compares what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from inspect import isawaitable
from typing import Any, cast

from graphql import DocumentNode, ExecutionResult, GraphQLSchema, OperationDefinitionNode, execute, parse, validate
from structlog.testing import capture_logs

from schema.execution import Failure
from schema.masking import problem_of
from schema.plans import Plan, Plans
from tests.schema.plans.shapes import SCHEMA, Trace

# One for all tests, so that what documents share is shared.
PLANS = Plans(SCHEMA)


@dataclass(frozen=True)
class Ran:
    data: Any
    errors: list[Any]
    events: list[str]


@cache
def _valid(text: str, schema: GraphQLSchema) -> DocumentNode:
    """The document of a text, which must be valid. Validation takes most of a test's time."""
    document = parse(text)
    assert validate(schema, document) == []
    return document


def plan_of(text: str, schema: GraphQLSchema = SCHEMA, plans: Plans = PLANS) -> Plan | None:
    """The plan of the last operation of a valid document."""
    document = _valid(text, schema)
    operation = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)][-1]
    return plans.compile(document, operation)


async def run_plan(plan: Plan, variables: Mapping[str, Any]) -> Ran | None:
    """None if the plan declines the variables."""
    trace = Trace()
    prepared = plan.prepare(variables)
    if prepared is None:
        assert trace.events == []
        return None
    return _ran(await plan.run(prepared, cast("Any", trace)), trace)


async def run_core(text: str, variables: Mapping[str, Any]) -> Ran:
    trace = Trace()
    result: Any = execute(SCHEMA, _valid(text, SCHEMA), context_value=trace, variable_values=dict(variables))
    return _ran(await result if isawaitable(result) else result, trace)


def _ran(result: ExecutionResult, trace: Trace) -> Ran:
    with capture_logs():
        errors = [
            (Failure(problem_of(error, suggest=True), error).formatted, type(error.original_error))
            for error in result.errors or ()
        ]
    return Ran(result.data, errors, trace.events)


async def same(text: str, variables: Mapping[str, Any] | None = None) -> Ran:
    """What came of it, which is the same both ways. The operation must have a plan, which must take the variables."""
    plan = plan_of(text)
    assert plan is not None, text
    ran = await run_plan(plan, variables or {})
    assert ran is not None, variables
    assert ran == await run_core(text, variables or {})
    return ran
