"""Who and what gets as far as the executor: the rules of a document, and a caller where a field needs one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    MaxIntrospectionDepthRule,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    SelectionSetNode,
    get_operation_ast,
    specified_rules,
)
from strawberry.extensions import SchemaExtension

from resolvers.context import Context
from resolvers.errors import Problem, RateLimited, Unauthenticated, ValidationError
from schema.limits import TOKENS, LimitsRule, root_fields
from schema.queries import PUBLIC_FIELDS

# Built once: validation is cached by the identity of the rules, too.
OPEN_RULES: Final = (LimitsRule, *specified_rules, MaxIntrospectionDepthRule)
CLOSED_RULES: Final = (*OPEN_RULES, NoSchemaIntrospectionCustomRule)

CACHED_DOCUMENTS: Final = 100


class Admission(SchemaExtension):
    """Sets the limits of parsing and validation, and turns away who came without a token before anything is coerced:
    what is wrong with the variables of a request is for callers only."""

    rules = CLOSED_RULES

    def on_operation(self) -> Iterator[None]:
        self.execution_context.parse_options["max_tokens"] = TOKENS
        self.execution_context.validation_rules = self.rules
        yield

    def on_execute(self) -> Iterator[None]:
        running = self.execution_context
        document = running.graphql_document
        refusal = None if document is None else self._refusal(document)
        if refusal is not None:
            running.result = ExecutionResult(data=None, errors=[GraphQLError(str(refusal), original_error=refusal)])
        yield

    def _refusal(self, document: DocumentNode) -> Problem | None:
        running = self.execution_context
        named = running._provided_operation_name  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - no other way
        if named is None and _operations(document) > 1:
            # strawberry would run the first (GraphQL 6.1 wants this refused).
            return ValidationError("operationName must name one of the document's operations.")
        if running.context.caller is None and not is_public(document, running.operation_name):
            return Unauthenticated()
        return _over_the_rate(running.context, document, running.operation_name)


class OpenAdmission(Admission):
    """The same, with introspection."""

    rules = OPEN_RULES


def _over_the_rate(context: Context, document: DocumentNode, operation_name: str | None) -> Problem | None:
    """Each root field is an operation. The first was counted when the request came."""
    more = root_fields(document, operation_name) - 1
    try:
        if more > 0:
            context.spend(more)
    except RateLimited as refusal:
        return refusal
    return None


def _operations(document: DocumentNode) -> int:
    return sum(isinstance(node, OperationDefinitionNode) for node in document.definitions)


@lru_cache(maxsize=CACHED_DOCUMENTS)
def is_public(document: DocumentNode, operation_name: str | None) -> bool:
    """Whether all that the operation asks for at its root is open to everybody."""
    operation = get_operation_ast(document, operation_name)
    return operation is not None and all(
        name in PUBLIC_FIELDS or name.startswith("__") for name in _root_fields(document, operation.selection_set)
    )


def _root_fields(document: DocumentNode, selections: SelectionSetNode) -> set[str]:
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    names: set[str] = set()
    waiting = [selections]
    while waiting:
        for node in waiting.pop().selections:
            match node:
                case FieldNode():
                    names.add(node.name.value)
                case InlineFragmentNode():
                    waiting.append(node.selection_set)
                case FragmentSpreadNode():
                    # Taken out, so that no fragment is walked twice.
                    fragment = fragments.pop(node.name.value, None)
                    if fragment is not None:
                        waiting.append(fragment.selection_set)
                case _:
                    pass
    return names
