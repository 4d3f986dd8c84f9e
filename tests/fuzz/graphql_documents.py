"""GraphQL documents beside graphql-core: they are parsed and validated alike, what runs gives the same response, and
nothing causes an internal error. Only the limits refuse more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from functools import partial
from typing import Any, Final

from graphql import ExecutionResult, GraphQLError, execute_sync
from graphql import parse as core_parse
from graphql import validate as core_validate
from msgspec.structs import replace
from structlog.testing import capture_logs

from resolvers.context import Context
from schema.documents import CLOSED_RULES
from schema.execution import Executor, Outcome
from schema.limits import FULL
from schema.parsing import parse
from schema.validation import ERRORS, _without_repeats, validate
from tests.schema.contexts import public_context

INSTRUMENTED: Final = ["schema", "graphql.language", "graphql.validation", "graphql.execution"]
WORDS: Final = [
    b"query",
    b"mutation",
    b"fragment",
    b"subscription",
    b" on ",
    b"...",
    b"@skip(if: ",
    b"@include(if: ",
    b"$v",
    b'"""',
    b"providers",
    b"provider(slug: ",
    b'"oura"',
    b"slug",
    b"scopes",
    b"__typename",
    b"__schema",
    b"Provider",
    b"Query",
    b"String!",
    b"Boolean",
    b"[ID!]",
    b"authorizeConnection(input: {",
    b"connections",
    b"#",
    b"\n---\n",
    b'{"v": true}',
]

EXECUTOR: Final = Executor(explore=False)
_ALICE: Final = public_context()
_NOBODY: Final = replace(_ALICE, caller=None)
_LIMITS: Final = ("The document ", "A name has ", "A number has ", "Block strings ", "The operation ", "An operation ")
_INTERNAL: Final = "INTERNAL_ERROR"


def check(data: bytes) -> None:
    """What follows a line `---` is the variables, in JSON."""
    first, _, second = data.partition(b"\n---\n")
    try:
        text, variables = first.decode(), json.loads(second or b"{}")
    except (ValueError, RecursionError):
        return
    if not text or not isinstance(variables, dict):
        return
    ours, reference = _tree(partial(parse, limits=FULL), text), _tree(core_parse, text)
    if isinstance(ours, str):
        assert ours.startswith(_LIMITS) or ours == reference
    else:
        assert ours.to_dict(locations=True) == reference.to_dict(locations=True)
        _check_validation(ours)
    _check_response(text, variables)


def _tree(parser: Any, text: str) -> Any:
    """The document, or what is wrong with it."""
    try:
        return parser(text)
    except GraphQLError as error:
        return error.message
    except RecursionError:
        return "The document is nested too deeply."


def _check_validation(document: Any) -> None:
    wanted = core_validate(
        EXECUTOR.graphql, _without_repeats(document), CLOSED_RULES, max_errors=ERRORS, hide_suggestions=True
    )
    found = validate(EXECUTOR.graphql, document, CLOSED_RULES, suggest=False)
    assert [(error.message, error.locations) for error in found[:ERRORS]] == [
        (error.message, error.locations) for error in wanted[:ERRORS]
    ]


def _check_response(text: str, variables: dict[str, Any]) -> None:
    """Without a bearer token any document is answered; with one, those that ask for public fields only, as the others
    need a database."""
    _run(text, variables, _NOBODY)
    document = EXECUTOR.read(text)
    if document.ast is None or not all(operation.public for operation in document.operations.values()):
        return
    outcome = _run(text, variables, _ALICE)
    if not outcome.executed:
        return
    result = execute_sync(EXECUTOR.graphql, document.ast, context_value=_ALICE, variable_values=variables)
    assert isinstance(result, ExecutionResult)
    assert json.dumps(outcome.data) == json.dumps(result.data)
    paths = [error.path for error in result.errors or ()]
    assert [failure.error and failure.error.path for failure in outcome.failures] == paths


def _run(text: str, variables: dict[str, Any], context: Context) -> Outcome:
    with capture_logs():
        outcome = _result_of(EXECUTOR.run(text, variables, context))
    assert not any(failure.problem.code == _INTERNAL for failure in outcome.failures)
    return outcome


def _result_of(coroutine: Coroutine[Any, Any, Outcome]) -> Outcome:
    """In a loop of its own, so that tests keep theirs."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()
