"""Documents made ready to run: parsed, held against limits and schema, and looked through, once for each text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    MaxIntrospectionDepthRule,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    parse,
    specified_rules,
    validate,
)

from schema.limits import TOKENS, LimitsRule, Scale
from schema.plans import Plan, Plans
from schema.queries import PUBLIC_FIELDS

OPEN_RULES: Final = (LimitsRule, *specified_rules, MaxIntrospectionDepthRule)
CLOSED_RULES: Final = (*OPEN_RULES, NoSchemaIntrospectionCustomRule)

CACHED: Final = 100
"""Texts from outside that are remembered. More would let anybody fill the memory."""

LONGEST: Final = 16 * 1024
"""Characters of one that is."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What is known of an operation before it runs. `public` says that all at its root is open to everybody, `roots`
    counts the fields there, once fragments are expanded. Without a `plan` graphql-core's executor runs it."""

    node: OperationDefinitionNode
    public: bool
    roots: int
    plan: Plan | None

    @property
    def kind(self) -> OperationType:
        return self.node.operation


@dataclass(frozen=True, slots=True)
class Document:
    """A text that was read. `errors` are those of parsing or validation, `operations` stand under their names."""

    ast: DocumentNode | None
    errors: Sequence[GraphQLError]
    operations: Mapping[str | None, Operation] = field(default_factory=dict[str | None, Operation])

    def operation(self, name: str | None) -> Operation | None:
        """The one of that name; without a name the only one there is (GraphQL 6.1)."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        return self.operations.get(name) if name is not None else None


class Documents:
    """Reads documents for a schema. `explore` lets introspection through."""

    def __init__(self, schema: GraphQLSchema, *, explore: bool) -> None:
        self._schema = schema
        self._plans = Plans(schema)
        self._rules: Sequence[type[ASTValidationRule]] = OPEN_RULES if explore else CLOSED_RULES
        self._remembered = lru_cache(maxsize=CACHED)(self.read)

    def ready(self, text: str) -> Document:
        """As `read`, and remembered. What is long is mostly filling, so that would fill the memory, too."""
        return self._remembered(text) if len(text) <= LONGEST else self.read(text)

    def read(self, text: str) -> Document:
        """Parse, validate and compile a text."""
        try:
            ast = parse(text, max_tokens=TOKENS)
        except GraphQLError as fault:
            return Document(None, [fault])
        errors = validate(self._schema, ast, self._rules)
        return Document(ast, errors, self._operations(ast, valid=not errors))

    def _operations(self, ast: DocumentNode, *, valid: bool) -> dict[str | None, Operation]:
        """Only a valid document is safe to be looked through: others may have cycles."""
        scale = Scale(ast) if valid else None
        # Several have fragments in common, which the plan of each would repeat: a small text could fill the memory.
        planned = valid and sum(isinstance(node, OperationDefinitionNode) for node in ast.definitions) == 1
        found: dict[str | None, Operation] = {}
        for node in ast.definitions:
            if isinstance(node, OperationDefinitionNode):
                public = valid and is_public(ast, node)
                roots = scale.weigh(node.selection_set).root if scale else 0
                plan = self._plans.plan(ast, node) if planned else None
                found[node.name.value if node.name else None] = Operation(node, public, roots, plan)
        return found


def is_public(ast: DocumentNode, operation: OperationDefinitionNode) -> bool:
    """Whether all that the operation asks for at its root is open to everybody."""
    return all(name in PUBLIC_FIELDS or name.startswith("__") for name in _root_fields(ast, operation.selection_set))


def _root_fields(ast: DocumentNode, selections: SelectionSetNode) -> set[str]:
    fragments = {node.name.value: node for node in ast.definitions if isinstance(node, FragmentDefinitionNode)}
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
