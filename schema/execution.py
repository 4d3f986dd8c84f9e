"""The door of the schema: runs one operation for either interface and says how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import strawberry
import structlog
from graphql import (
    GraphQLError,
    GraphQLSchema,
    get_operation_ast,
)
from graphql import parse as parse_document
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType

from resolvers.context import Context
from resolvers.errors import Problem, ValidationError
from schema.admission import CACHED_DOCUMENTS, Admission, OpenAdmission
from schema.coercion import complaints, members
from schema.masking import problem_of
from schema.mutations import Mutation
from schema.queries import Query
from schema.scalars import SCALARS

log = structlog.get_logger("tendon")

_QUERIES = frozenset({OperationType.QUERY})
_QUERIES_AND_MUTATIONS = frozenset({OperationType.QUERY, OperationType.MUTATION})


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
        self._schema = _Schema(
            Query,
            Mutation,
            config=StrawberryConfig(scalar_map=SCALARS),
            extensions=[
                OpenAdmission if explore else Admission,
                lambda: ParserCache(maxsize=CACHED_DOCUMENTS),
                lambda: ValidationCache(maxsize=CACHED_DOCUMENTS),
            ],
        )

    @property
    def graphql(self) -> GraphQLSchema:
        """The schema as graphql-core knows it, for validating documents of our own."""
        return self._schema._schema  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - strawberry has no other way

    @property
    def sdl(self) -> str:
        return self._schema.as_str() + "\n"

    def members(self, document: str) -> frozenset[str]:
        """See `coercion.members`."""
        operation = get_operation_ast(parse_document(document))
        return members(self.graphql, operation) if operation else frozenset()

    async def run(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        context: Context,
        *,
        operation_name: str | None = None,
        read_only: bool = False,
    ) -> Outcome:
        """Run one operation. Never raises for what a caller did, or for what went wrong within."""
        try:
            result = await self._schema.execute(
                document,
                variable_values=dict(variables or {}),
                context_value=context,
                operation_name=operation_name,
                allowed_operation_types=_QUERIES if read_only else _QUERIES_AND_MUTATIONS,
            )
        except MissingQueryError:
            return _refused(ValidationError("query must not be empty."))
        except CannotGetOperationTypeError:
            return _refused(ValidationError("operationName must name an operation of the document."))
        except InvalidOperationTypeError as refusal:
            return _refused(_not_allowed(refusal))
        if not result.errors:
            return Outcome(result.data)
        outcome = self._failed(result, document, variables or {}, operation_name)
        _tell(outcome)
        return outcome

    def _failed(
        self, result: ExecutionResult, document: str, variables: Mapping[str, Any], operation_name: str | None
    ) -> Outcome:
        errors = result.errors or []
        if result.data is not None or any(error.path for error in errors):
            return Outcome(result.data, [self._failure(error) for error in errors])
        return self._refusal(errors, document, variables, operation_name)

    def _refusal(
        self, errors: list[GraphQLError], document: str, variables: Mapping[str, Any], operation_name: str | None
    ) -> Outcome:
        failures = [self._failure(error) for error in errors]
        if all(_is_about_variables(error) for error in errors):
            failures = [
                Failure(ValidationError(sentence)) for sentence in self._complaints(document, variables, operation_name)
            ] or failures
        return Outcome(None, failures, executed=False)

    def _complaints(self, document: str, variables: Mapping[str, Any], operation_name: str | None) -> list[str]:
        operation = get_operation_ast(parse_document(document, no_location=True), operation_name)
        return list(complaints(self.graphql, operation, variables)) if operation else []

    def _failure(self, error: GraphQLError) -> Failure:
        return Failure(problem_of(error, suggest=self._explore), error)


class _Schema(strawberry.Schema):
    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Silent: strawberry would log every client mistake as an error, with the source of the query."""


def _is_about_variables(error: GraphQLError) -> bool:
    return error.message.startswith("Variable ") and " has invalid " in error.message


def _not_allowed(refusal: InvalidOperationTypeError) -> Problem:
    if refusal.operation_type is OperationType.MUTATION:
        return QueriesOnly()
    return ValidationError("There are no subscriptions here.")


def _refused(problem: Problem) -> Outcome:
    outcome = Outcome(None, [Failure(problem)], executed=False)
    _tell(outcome)
    return outcome


def _tell(outcome: Outcome) -> None:
    """One line, whatever the document: its source and its names are the caller's text."""
    log.info("problem", code=outcome.problem and outcome.problem.code, errors=len(outcome.failures))
