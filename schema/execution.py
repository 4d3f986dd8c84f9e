"""Runs operations for both interfaces: the executor, and the outcome of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import isawaitable
from typing import Any

import strawberry
import structlog
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationType,
    execute,  # pyright: ignore[reportUnknownVariableType] - of its many options some have no type
)
from msgspec import Struct
from strawberry.schema.config import StrawberryConfig

from resolvers import audit
from resolvers.context import Context
from resolvers.errors import Problem, QueriesOnly, RateLimited, Unauthenticated, ValidationError
from schema.documents import Document, Documents, Operation
from schema.masking import problem_of, unexpected
from schema.scalars import SCALARS
from schema.types import Mutation, Query, actions
from schema.variables import complaints, members

log = structlog.get_logger("tendon")


class Failure(Struct, frozen=True):
    """One error of an outcome: the problem, and graphql-core's error, which has its places in document and data."""

    problem: Problem
    error: GraphQLError | None = None

    @property
    def formatted(self) -> dict[str, Any]:
        """In GraphQL's response format (7.1.2)."""
        shown: dict[str, Any] = {"message": self.problem.message}
        if self.error is not None and self.error.locations:
            shown["locations"] = [location.formatted for location in self.error.locations]
        if self.error is not None and self.error.path is not None:
            shown["path"] = self.error.path
        return shown | {"extensions": self.problem.extensions}


class Outcome(Struct, frozen=True):
    """The result of an operation. It is not `executed` after a request error (GraphQL 7.1.3), and then has no data
    entry."""

    data: dict[str, Any] | None
    failures: Sequence[Failure] = ()
    executed: bool = True

    @property
    def problem(self) -> Problem | None:
        return self.failures[0].problem if self.failures else None


class _Schema(strawberry.Schema):
    def _warn_for_federation_directives(self) -> None:
        """Does nothing. Our types have no directives of Apollo Federation, and strawberry would import all of those to
        make sure, which takes a thirtieth of the start."""


class Executor:
    """The schema with its documents. `explore` allows introspection and suggestions, which production does not."""

    def __init__(self, *, explore: bool) -> None:
        self._explore = explore
        self._schema = _Schema(Query, Mutation, config=StrawberryConfig(scalar_map=SCALARS))
        self._documents = Documents(self.graphql, explore=explore)

    @property
    def graphql(self) -> GraphQLSchema:
        """The schema as graphql-core knows it."""
        return self._schema._schema  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - strawberry has no other way

    @property
    def sdl(self) -> str:
        return self._schema.as_str() + "\n"

    def read(self, text: str) -> Document:
        """A document of our own. It may be run any number of times."""
        return self._documents.read(text)

    def requires_caller(self, document: Document) -> bool:
        """Whether the document's operation requires a bearer token."""
        operation = document.operations.get(None)
        return operation is not None and not operation.public

    def members(self, document: Document) -> frozenset[str]:
        """The names that a flat body or query can give, see `variables.members`."""
        operation = document.operations.get(None)
        return members(self.graphql, operation.node) if operation else frozenset()

    async def run(
        self,
        document: Document | str,
        variables: Mapping[str, Any] | None,
        context: Context,
        *,
        operation_name: str | None = None,
        read_only: bool = False,
    ) -> Outcome:
        """Run one operation. Errors of the caller and of resolvers are in the outcome; none of them is raised.

        Strawberry's own execution is not used: its extensions cost more than all of the service's work.
        """
        if isinstance(document, str):
            if not document:
                return _refuse(ValidationError("query must not be empty."))
            document = self._documents.get(document, anonymous=context.caller is None)
        operation = document.operations.get(operation_name)
        problem = _refusal(document, operation, operation_name, context, read_only=read_only)
        if problem is not None:
            return _refuse(problem)
        if document.ast is None or operation is None or document.errors:
            return _log(Outcome(None, [self._failure(error) for error in document.errors], executed=False))
        variables = variables or {}
        prepared = operation.plan and operation.plan.prepare(variables)
        if operation.plan is None or prepared is None:
            # Checked before graphql-core, which searches for a suggestion for each unknown member.
            if sentences := list(complaints(self.graphql, operation.node, variables)):
                failures = [Failure(ValidationError(text)) for text in sentences]
                return await _record(_log(Outcome(None, failures, executed=False)), operation, context)
            result = await self._execute(document.ast, operation_name, variables, context)
        else:
            result = await operation.plan.run(prepared, context)
        if not result.errors:
            return Outcome(result.data)
        # Only what was executed has a path.
        executed = any(error.path for error in result.errors)
        outcome = _log(Outcome(result.data, [self._failure(error) for error in result.errors], executed))
        return outcome if executed else await _record(outcome, operation, context)

    async def _execute(
        self, ast: DocumentNode, name: str | None, variables: Mapping[str, Any], context: Context
    ) -> ExecutionResult:
        """By graphql-core's executor, which covers everything."""
        result = execute(self.graphql, ast, context_value=context, variable_values=dict(variables), operation_name=name)
        return await result if isawaitable(result) else result

    def _failure(self, error: GraphQLError) -> Failure:
        return Failure(problem_of(error, suggest=self._explore), error)


def _refusal(
    document: Document, operation: Operation | None, name: str | None, context: Context, *, read_only: bool
) -> Problem | None:
    """Why an operation is not run, decided before its variables are looked at: only callers learn what is wrong with
    them. None if the document's errors say it."""
    if document.ast is None:
        return None
    if operation is None:
        return _no_operation(document, name)
    if problem := _wrong_kind(operation, read_only=read_only):
        return problem
    if document.errors:
        return None
    if context.caller is None and not operation.public:
        return Unauthenticated()
    return _over_rate_limit(context, operation) if operation.roots > 1 else None


async def _record(outcome: Outcome, operation: Operation, context: Context) -> Outcome:
    """Records in the audit trail that a mutation is denied because of its variables. Resolvers record other denials."""
    try:
        for action in actions(operation.node):
            if outcome.problem:
                await audit.denied(context, action, outcome.problem)
    except Problem as problem:
        return _refuse(problem)
    except Exception as fault:  # noqa: BLE001 - the caller gets an answer in any case
        return _refuse(unexpected(fault))
    return outcome


def _no_operation(document: Document, name: str | None) -> Problem | None:
    if not document.operations:
        return ValidationError("query must contain an operation.")
    if name is not None:
        return ValidationError("operationName must name an operation of the document.")
    if document.errors:
        return None
    return ValidationError("operationName is required: the document has several operations.")


def _wrong_kind(operation: Operation, *, read_only: bool) -> Problem | None:
    if operation.kind is OperationType.SUBSCRIPTION:
        return ValidationError("There are no subscriptions here.")
    return QueriesOnly() if read_only and operation.kind is OperationType.MUTATION else None


def _over_rate_limit(context: Context, operation: Operation) -> Problem | None:
    """The rate limit counts each root field. The first was counted when the request arrived."""
    try:
        context.spend(operation.roots - 1)
    except RateLimited as refusal:
        return refusal
    return None


def _refuse(problem: Problem) -> Outcome:
    return _log(Outcome(None, [Failure(problem)], executed=False))


def _log(outcome: Outcome) -> Outcome:
    """Logs codes only: names and text of the document are the caller's."""
    log.info("problem", code=outcome.problem and outcome.problem.code, errors=len(outcome.failures))
    return outcome
