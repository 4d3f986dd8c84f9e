"""Prepares documents for execution: parses them, checks limits and schema, and compiles them, once per text.

Invalid texts are not cached: a client can send any number of them, and each would keep its errors and everything that
they reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
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
    specified_rules,
)

from schema.limits import ANONYMOUS, FULL, Limits, Scale, excess_of
from schema.parsing import parse
from schema.plans import Plan, Plans
from schema.queries import PUBLIC_FIELDS
from schema.validation import validate

OPEN_RULES: Final = (*specified_rules, MaxIntrospectionDepthRule)
CLOSED_RULES: Final = (*OPEN_RULES, NoSchemaIntrospectionCustomRule)

CACHED: Final = 100
"""The number of cached texts from callers with a token. A larger cache would let anyone fill the memory."""

CACHED_ANONYMOUS: Final = 20
"""The same for callers without a bearer token, in a cache of their own, so that they can't evict what others use."""

LONGEST: Final = 16 * 1024
"""Characters of one that is."""

# The fields that query the schema; `__typename` does not.
_INTROSPECTION: Final = ("__schema", "__type")


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
    """A parsed text. `errors` come from parsing or validation, `operations` are keyed by name.

    `closed` means that it came without a bearer token and every operation requires one; it was not validated.
    """

    ast: DocumentNode | None
    errors: Sequence[GraphQLError] = ()
    operations: Mapping[str | None, Operation] = field(default_factory=dict[str | None, Operation])
    closed: bool = False

    def operation(self, name: str | None) -> Operation | None:
        """The one of that name; without a name the only one there is (GraphQL 6.1)."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        return self.operations.get(name) if name is not None else None


class _Unusable(Exception):
    """Keeps a document that can't be run out of the cache."""

    def __init__(self, document: Document) -> None:
        self.document = document


class Documents:
    """Reads documents for a schema. `explore` allows introspection, and suggestions in errors."""

    def __init__(self, schema: GraphQLSchema, *, explore: bool) -> None:
        self._schema = schema
        self._explore = explore
        self._plans = Plans(schema)
        self._rules: Sequence[type[ASTValidationRule]] = OPEN_RULES if explore else CLOSED_RULES
        self._private = _private_fields(schema)
        self._remembered = lru_cache(maxsize=CACHED)(partial(self._usable, anonymous=False))
        self._remembered_anonymous = lru_cache(maxsize=CACHED_ANONYMOUS)(partial(self._usable, anonymous=True))

    def ready(self, text: str, *, anonymous: bool = False) -> Document:
        """As `read`, and remembered. What is long is mostly filling, so that would fill the memory, too."""
        if len(text) > LONGEST:
            return self.read(text, anonymous=anonymous)
        try:
            return self._remembered_anonymous(text) if anonymous else self._remembered(text)
        except _Unusable as unusable:
            return unusable.document

    def read(self, text: str, *, anonymous: bool = False) -> Document:
        """Parse, validate and compile a text. Expensive steps run last, after every check that may refuse the text."""
        # Only parsing can tell whether the document consists of introspection alone.
        introspects = self._explore and any(name in text for name in _INTROSPECTION)
        limits = ANONYMOUS if anonymous and not introspects else FULL
        try:
            ast = parse(text, limits)
        except GraphQLError as fault:
            return Document(None, [fault])
        if anonymous:
            roots = [root_fields(ast, node) for node in _operations_of(ast)]
            if roots and not any(self._private.isdisjoint(names) for names in roots):
                return Document(ast, operations=self._operations(ast, valid=False), closed=True)
            if not all(_introspects(names) for names in roots):
                limits = ANONYMOUS
        if excess := _excess(ast, limits):
            return Document(ast, [GraphQLError(excess)], self._operations(ast, valid=False))
        errors = validate(self._schema, ast, self._rules, suggest=self._explore)
        return Document(ast, errors, self._operations(ast, valid=not errors))

    def _usable(self, text: str, *, anonymous: bool) -> Document:
        document = self.read(text, anonymous=anonymous)
        if document.closed or document.errors:
            raise _Unusable(document)
        return document

    def _operations(self, ast: DocumentNode, *, valid: bool) -> dict[str | None, Operation]:
        """Only a valid document is safe to be looked through: others may have cycles."""
        scale = Scale(ast) if valid else None
        # Several have fragments in common, which the plan of each would repeat: a small text could fill the memory.
        nodes = _operations_of(ast)
        planned = valid and len(nodes) == 1
        found: dict[str | None, Operation] = {}
        for node in nodes:
            public = valid and is_public(ast, node)
            roots = scale.weigh(node.selection_set).root if scale else 0
            plan = self._plans.compile(ast, node) if planned else None
            found[node.name.value if node.name else None] = Operation(node, public, roots, plan)
        return found


def _excess(ast: DocumentNode, limits: Limits) -> str | None:
    """The error when the document exceeds a limit. Tokens are checked again, because parsing may have allowed more."""
    return limits.too_many_tokens if ast.token_count > limits.tokens else excess_of(ast, limits)


def _introspects(roots: set[str]) -> bool:
    """Whether the operation queries the schema alone."""
    return any(name in roots for name in _INTROSPECTION) and all(name.startswith("__") for name in roots)


def is_public(ast: DocumentNode, operation: OperationDefinitionNode) -> bool:
    """Whether all that the operation asks for at its root is open to everybody."""
    return all(name in PUBLIC_FIELDS or name.startswith("__") for name in root_fields(ast, operation))


def root_fields(ast: DocumentNode, operation: OperationDefinitionNode) -> set[str]:
    """The names of the fields at the operation's root."""
    fragments = {node.name.value: node for node in ast.definitions if isinstance(node, FragmentDefinitionNode)}
    names: set[str] = set()
    waiting = [operation.selection_set]
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


def _operations_of(ast: DocumentNode) -> list[OperationDefinitionNode]:
    return [node for node in ast.definitions if isinstance(node, OperationDefinitionNode)]


def _private_fields(schema: GraphQLSchema) -> frozenset[str]:
    """The root fields that require a bearer token."""
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    return frozenset(name for kind in roots if kind for name in kind.fields) - PUBLIC_FIELDS
