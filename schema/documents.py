"""Prepares documents for execution: parses and validates them and compiles their operations, once per text.

Invalid texts are not cached: a client can send any number of them, and each would keep its errors and everything that
they reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from msgspec import Struct

from schema.limits import ANONYMOUS, FULL, Counter, Limits, excess_of
from schema.parsing import parse
from schema.plans import Plan, Plans
from schema.types import PUBLIC_FIELDS
from schema.validation import validate

OPEN_RULES: Final = (*specified_rules, MaxIntrospectionDepthRule)
CLOSED_RULES: Final = (*OPEN_RULES, NoSchemaIntrospectionCustomRule)

CACHE_SIZE: Final = 100
"""The number of cached documents from callers with a bearer token. A larger cache would let anyone fill the memory."""

ANONYMOUS_CACHE_SIZE: Final = 20
"""The same for callers without a bearer token, in a cache of their own, so that they can't evict what others use."""

MAX_CACHED_LENGTH: Final = 16 * 1024
"""In characters. Longer documents are mostly comments and blanks, and would fill the memory."""

# The fields that query the schema; `__typename` does not.
_INTROSPECTION: Final = ("__schema", "__type")


class Operation(Struct, frozen=True):
    """What is known of an operation before it runs. It is `public` if all of its root fields are open to everybody.
    `roots` is their number after fragments are expanded. Without a `plan`, graphql-core's executor runs it."""

    node: OperationDefinitionNode
    kind: OperationType
    public: bool
    roots: int
    plan: Plan | None


class Document(Struct, frozen=True):
    """A parsed document. `errors` are those of parsing and validation. `operations` are keyed by name, and by None for
    the only operation of a document (GraphQL 6.1).

    `closed` means that it came without a bearer token, every operation requires one, and it was not validated.
    """

    ast: DocumentNode | None
    errors: Sequence[GraphQLError] = ()
    operations: Mapping[str | None, Operation] = {}
    closed: bool = False


class _NotRunnable(Exception):
    """Keeps a document that can't be run out of the cache."""

    def __init__(self, document: Document) -> None:
        self.document = document


class Documents:
    """The documents of a schema. `explore` allows introspection, and suggestions in errors."""

    def __init__(self, schema: GraphQLSchema, *, explore: bool) -> None:
        self._schema = schema
        self._explore = explore
        self._plans = Plans(schema)
        self._rules: Sequence[type[ASTValidationRule]] = OPEN_RULES if explore else CLOSED_RULES
        self._private = _private_fields(schema)
        self._cached = lru_cache(maxsize=CACHE_SIZE)(partial(self._runnable, anonymous=False))
        self._cached_anonymous = lru_cache(maxsize=ANONYMOUS_CACHE_SIZE)(partial(self._runnable, anonymous=True))

    def get(self, text: str, *, anonymous: bool = False) -> Document:
        """As `read`, through the cache."""
        if len(text) > MAX_CACHED_LENGTH:
            return self.read(text, anonymous=anonymous)
        try:
            return self._cached_anonymous(text) if anonymous else self._cached(text)
        except _NotRunnable as fault:
            return fault.document

    def read(self, text: str, *, anonymous: bool = False) -> Document:
        """Parses, validates and compiles a text. Expensive steps come last, after every check that may refuse it."""
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
        if excess := _excess(text, ast, limits):
            return Document(ast, [GraphQLError(excess)], self._operations(ast, valid=False))
        errors = validate(self._schema, ast, self._rules, suggest=self._explore)
        return Document(ast, errors, self._operations(ast, valid=not errors))

    def _runnable(self, text: str, *, anonymous: bool) -> Document:
        document = self.read(text, anonymous=anonymous)
        if document.closed or document.errors:
            raise _NotRunnable(document)
        return document

    def _operations(self, ast: DocumentNode, *, valid: bool) -> dict[str | None, Operation]:
        """Fragments are followed only in a valid document: in others they may form cycles."""
        counter = Counter(ast) if valid else None
        nodes = _operations_of(ast)
        # The plans of several operations would repeat the fragments that these share, and a small text could fill the
        # memory.
        with_plan = valid and len(nodes) == 1
        found: dict[str | None, Operation] = {}
        for node in nodes:
            public = valid and is_public(ast, node)
            roots = counter.count(node.selection_set).root if counter else 0
            plan = self._plans.compile(ast, node) if with_plan else None
            found[node.name.value if node.name else None] = Operation(node, node.operation, public, roots, plan)
        if len(found) == 1:
            found[None] = next(iter(found.values()))
        else:
            found.pop(None, None)
        return found


def _excess(text: str, ast: DocumentNode, limits: Limits) -> str | None:
    """The error if the document exceeds a limit. Bytes and tokens are checked again, because parsing may have allowed
    more."""
    if ast.token_count > limits.tokens:
        return limits.too_many_tokens
    return limits.excess_of_size(text) or excess_of(ast, limits)


def _introspects(roots: set[str]) -> bool:
    """Whether the operation queries nothing but the schema."""
    return any(name in roots for name in _INTROSPECTION) and all(name.startswith("__") for name in roots)


def is_public(ast: DocumentNode, operation: OperationDefinitionNode) -> bool:
    """Whether all root fields of the operation are open to everybody."""
    return all(name in PUBLIC_FIELDS or name.startswith("__") for name in root_fields(ast, operation))


def root_fields(ast: DocumentNode, operation: OperationDefinitionNode) -> set[str]:
    """The names of the operation's root fields."""
    fragments = {node.name.value: node for node in ast.definitions if isinstance(node, FragmentDefinitionNode)}
    names: set[str] = set()
    pending = [operation.selection_set]
    while pending:
        for node in pending.pop().selections:
            match node:
                case FieldNode():
                    names.add(node.name.value)
                case InlineFragmentNode():
                    pending.append(node.selection_set)
                case FragmentSpreadNode():
                    # Removed, so that no fragment is visited twice.
                    fragment = fragments.pop(node.name.value, None)
                    if fragment is not None:
                        pending.append(fragment.selection_set)
                case _:
                    pass
    return names


def _operations_of(ast: DocumentNode) -> list[OperationDefinitionNode]:
    return [node for node in ast.definitions if isinstance(node, OperationDefinitionNode)]


def _private_fields(schema: GraphQLSchema) -> frozenset[str]:
    """The root fields that require a bearer token."""
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    return frozenset(name for kind in roots if kind for name in kind.fields) - PUBLIC_FIELDS
