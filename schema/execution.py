"""The door of the schema: runs one operation for either interface and says how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from strawberry.schema.config import StrawberryConfig

from resolvers import audit
from resolvers.context import Context
from resolvers.errors import Problem, RateLimited, Unauthenticated, ValidationError
from schema.documents import Document, Documents, Operation
from schema.masking import problem_of, unexpected
from schema.mutations import Mutation, actions
from schema.queries import Query
from schema.scalars import SCALARS
from schema.variables import complaints, members

log = structlog.get_logger("tendon")


class QueriesOnly(Problem):
    """A mutation where only queries may run: a safe request must change nothing (GraphQL over HTTP 4.2)."""

    code = "METHOD_NOT_ALLOWED"
    default = "Send mutations by POST."


@dataclass(frozen=True, slots=True)
class Failure:
    """One error of an outcome: the problem, and where in document and data it stands."""

    problem: Problem
    error: GraphQLError | None = None

    @property
    def formatted(self) -> dict[str, Any]:
        """As GraphQL's response format (7.1.2) has it."""
        shown: dict[str, Any] = {"message": self.problem.message}
        if self.error is not None and self.error.locations:
            shown["locations"] = [location.formatted for location in self.error.locations]
        if self.error is not None and self.error.path is not None:
            shown["path"] = self.error.path
        return shown | {"extensions": self.problem.extensions}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation went. A request error (GraphQL 7.1.3) never got as far as executing and has no data entry."""

    data: dict[str, Any] | None
    failures: Sequence[Failure] = ()
    executed: bool = True

    @property
    def problem(self) -> Problem | None:
        return self.failures[0].problem if self.failures else None


class Executor:
    """The schema, ready to run. `explore` opens introspection and suggestions, which production keeps closed."""

    def __init__(self, *, explore: bool) -> None:
        self._explore = explore
        self._schema = strawberry.Schema(Query, Mutation, config=StrawberryConfig(scalar_map=SCALARS))
        self._documents = Documents(self.graphql, explore=explore)

    @property
    def graphql(self) -> GraphQLSchema:
        """The schema as graphql-core knows it."""
        return self._schema._schema  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - strawberry has no other way

    @property
    def sdl(self) -> str:
        return self._schema.as_str() + "\n"

    def read(self, text: str) -> Document:
        """A document of our own, to be run any number of times."""
        return self._documents.read(text)

    def requires_caller(self, document: Document) -> bool:
        """Whether the operation is refused without a bearer token, whatever its variables."""
        operation = document.operation(None)
        return operation is not None and not operation.public

    def members(self, document: Document) -> frozenset[str]:
        """See `variables.members`."""
        operation = document.operation(None)
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
        """Run one operation. Never raises for what a caller did, or for what went wrong within.

        Strawberry's own way of running is left out: its extensions cost more than all of the service's work.
        """
        if isinstance(document, str):
            if not document:
                return _refused(ValidationError("query must not be empty."))
            document = self._documents.ready(document, anonymous=context.caller is None)
        operation = document.operation(operation_name)
        refusal = _refusal(document, operation, operation_name, context, read_only=read_only)
        if refusal is not None:
            return _refused(refusal)
        if document.ast is None or operation is None or document.errors:
            return self._told(Outcome(None, [self._failure(error) for error in document.errors], executed=False))
        variables = variables or {}
        prepared = operation.plan and operation.plan.prepare(variables)
        if operation.plan is None or prepared is None:
            # Checked before graphql-core, which searches for a suggestion for each unknown member.
            if sentences := list(complaints(self.graphql, operation.node, variables)):
                failures = [Failure(ValidationError(text)) for text in sentences]
                return await _recorded(self._told(Outcome(None, failures, executed=False)), operation, context)
            result = await self._executed(document.ast, operation_name, variables, context)
        else:
            result = await operation.plan.run(prepared, context)
        outcome = self._outcome(result)
        return outcome if outcome.executed else await _recorded(outcome, operation, context)

    async def _executed(
        self, ast: DocumentNode, name: str | None, variables: Mapping[str, Any], context: Context
    ) -> Any:
        """By graphql-core, which covers everything."""
        result = execute(self.graphql, ast, context_value=context, variable_values=dict(variables), operation_name=name)
        return await result if isawaitable(result) else result

    def _outcome(self, result: Any) -> Outcome:
        if not isinstance(result, ExecutionResult):
            return _refused(ValidationError("Incremental delivery is not supported here."))
        if not result.errors:
            return Outcome(result.data)
        failures = [self._failure(error) for error in result.errors]
        if result.data is not None or any(error.path for error in result.errors):
            return self._told(Outcome(result.data, failures))
        return self._told(Outcome(None, failures, executed=False))

    def _failure(self, error: GraphQLError) -> Failure:
        return Failure(problem_of(error, suggest=self._explore), error)

    @staticmethod
    def _told(outcome: Outcome) -> Outcome:
        _tell(outcome)
        return outcome


def _refusal(
    document: Document, operation: Operation | None, name: str | None, context: Context, *, read_only: bool
) -> Problem | None:
    """What stops an operation before anything of it runs, or is coerced: what is wrong with the variables of a request
    is for callers only. None also where the document's errors say it."""
    if document.ast is None:
        return None
    if operation is None:
        return _unnamed(document, name)
    if wrong := _wrong_kind(operation, read_only=read_only):
        return wrong
    if document.errors:
        return None
    if context.caller is None and not operation.public:
        return Unauthenticated()
    return _over_the_rate(context, operation)


async def _recorded(outcome: Outcome, operation: Operation, context: Context) -> Outcome:
    """Records in the audit trail that a mutation is denied for its variables. Resolvers record their own denials."""
    try:
        for action in actions(operation.node):
            if outcome.problem:
                await audit.denied(context, action, outcome.problem)
    except Problem as problem:
        return _refused(problem)
    except Exception as fault:  # noqa: BLE001 - the caller gets an answer in any case
        return _refused(unexpected(fault))
    return outcome


def _unnamed(document: Document, name: str | None) -> Problem | None:
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


def _over_the_rate(context: Context, operation: Operation) -> Problem | None:
    """Each root field is an operation. The first was counted when the request came."""
    if operation.roots <= 1:
        return None
    try:
        context.spend(operation.roots - 1)
    except RateLimited as refusal:
        return refusal
    return None


def _refused(problem: Problem) -> Outcome:
    outcome = Outcome(None, [Failure(problem)], executed=False)
    _tell(outcome)
    return outcome


def _tell(outcome: Outcome) -> None:
    """One line, whatever the document: its source and its names are the caller's text."""
    log.info("problem", code=outcome.problem and outcome.problem.code, errors=len(outcome.failures))
