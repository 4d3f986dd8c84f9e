"""Validation by graphql-core's own rules, at about half the cost of its `validate`.

`validate` dispatches every node to every rule through visitors that could also edit the document, and visits each
operation again for its variables. The rules need none of that: here a node is passed only to the rules that have a
method for its kind. The errors are the same, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from operator import is_
from typing import Any, Final, cast

from graphql import (
    SKIP,
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    TypeInfo,
    ValidationContext,
    Visitor,
)
from graphql.validation.rules import overlapping_fields_can_be_merged
from graphql.validation.validate import ValidationAbortedError, query_document_keys_to_validate
from graphql.validation.validation_context import VariableUsage, VariableUsageVisitor

ERRORS: Final = 5
"""Validation stops after this many errors. The client sees the others after correcting these."""

# graphql-core's budget for comparing fields of the same name; a pair of fields counts two. Its default of 500,000 takes
# 70 ms.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 3_000


def _unprinted(_value: Node) -> str:
    """Replaces wrong values in messages. Printing them takes most of the time, and `masking.py` would remove them
    again, because they may be codes or states."""
    return "…"


# By name, because some of these modules are hidden by a function of the same name.
for _module in ("utilities.validate_input_value", "type.scalars", "type.definition"):
    cast("Any", import_module(f"graphql.{_module}")).print_for_error = _unprinted

_Hook = Callable[..., Any]
_Hooks = tuple[_Hook | None, _Hook | None, list[tuple[int, _Hook]], list[tuple[int, _Hook]]]
"""The hooks for a kind of node: type information on entering and leaving, and the rules by index."""


def validate(
    schema: GraphQLSchema, document: DocumentNode, rules: Sequence[type[ASTValidationRule]], *, suggest: bool
) -> list[GraphQLError]:
    """The first errors of the document. `suggest` adds suggestions to messages, which takes time."""
    document = _without_repeats(document)
    errors: list[GraphQLError] = []

    def on_error(error: GraphQLError) -> None:
        if len(errors) >= ERRORS:
            raise ValidationAbortedError(f"There are more than {ERRORS} errors.")
        errors.append(error)

    type_info = TypeInfo(schema)
    context = _Context(schema, document, type_info, on_error, hide_suggestions=not suggest)
    try:
        _Walk(type_info, [rule(context) for rule in rules]).visit(document)
    except ValidationAbortedError as error:
        # Drop the frames that it came through, which would live as long as it does.
        error.__context__ = None
        errors.append(error.with_traceback(None))
    return errors


def _without_repeats(document: DocumentNode) -> DocumentNode:
    """The document without repeated plain fields within a selection set. A repeat is as valid as the first one, but
    validation compares every pair."""
    definitions = tuple(_once_each(node) for node in document.definitions)
    return _changed(document, "definitions", document.definitions, definitions)


def _once_each(node: Any) -> Any:
    selections = getattr(node, "selection_set", None)
    if selections is None:
        return node
    seen: set[str] = set()
    kept: list[Any] = []
    for selection in selections.selections:
        plain = isinstance(selection, FieldNode) and not (
            selection.alias or selection.arguments or selection.directives or selection.selection_set
        )
        if not plain:
            kept.append(_once_each(selection))
        elif selection.name.value not in seen:
            seen.add(selection.name.value)
            kept.append(selection)
    reduced = _changed(selections, "selections", selections.selections, tuple(kept))
    return node if reduced is selections else replace(node, selection_set=reduced)


def _changed(node: Any, key: str, before: Sequence[Any], after: Sequence[Any]) -> Any:
    """The node, or a copy of it if something in it changed."""
    same = len(before) == len(after) and all(map(is_, before, after))
    return node if same else replace(node, **{key: after})


@lru_cache(maxsize=256)
def _methods(visitors: tuple[type[Visitor], ...], phase: str, kind: str) -> list[tuple[int, str]]:
    """The visitors with a method for entering or leaving nodes of this kind: their indices, and the method names."""
    named = [(index, name) for index in range(len(visitors)) for name in (f"{phase}_{kind}", phase)]
    found = {index: name for index, name in reversed(named) if hasattr(visitors[index], name)}
    return sorted(found.items())


class _Walk:
    """One walk over a document with all rules. The only other thing a rule may do is skip the content of a node."""

    def __init__(self, type_info: TypeInfo, visitors: Sequence[Visitor]) -> None:
        self._type_info = type_info
        self._visitors = visitors
        self._kinds = tuple(type(visitor) for visitor in visitors)
        self._skipping: list[Any] = [None] * len(visitors)
        self._hooks: dict[str, _Hooks] = {}
        self._ancestors: list[Any] = []
        self._path: list[Any] = []

    def visit(self, node: Node, key: Any = None, parent: Any = None) -> None:
        enter_type, leave_type, enters, leaves = self._hooks.get(node.kind) or self._hooks_of(node.kind)
        if enter_type:
            enter_type(node)
        skipped = self._enter(enters, node, key, parent)
        self._children(node, parent)
        for index, leave in leaves:
            if self._skipping[index] is None:
                leave(node, key, parent, self._path, self._ancestors)
        for index in skipped:
            self._skipping[index] = None
        if leave_type:
            leave_type()

    def _enter(self, enters: list[tuple[int, _Hook]], node: Node, key: Any, parent: Any) -> list[int]:
        """Returns the rules that skip the content of the node."""
        skipped: list[int] = []
        for index, enter in enters:
            if self._skipping[index] is None and enter(node, key, parent, self._path, self._ancestors) is SKIP:
                self._skipping[index] = node
                skipped.append(index)
        return skipped

    def _children(self, node: Node, parent: Any) -> None:
        ancestors, path = self._ancestors, self._path
        if parent is not None:
            ancestors.append(parent)
        for key in query_document_keys_to_validate.get(node.kind, ()):
            child = getattr(node, key, None)
            if not child:
                continue
            path.append(key)
            if isinstance(child, tuple):
                ancestors.append(node)
                nodes = cast("tuple[Node, ...]", child)
                for index, item in enumerate(nodes):
                    path.append(index)
                    self.visit(item, index, nodes)
                    path.pop()
                ancestors.pop()
            else:
                self.visit(child, key, node)
            path.pop()
        if parent is not None:
            ancestors.pop()

    def _hooks_of(self, kind: str) -> _Hooks:
        self._hooks[kind] = found = (
            getattr(self._type_info, f"enter_{kind}", None),
            getattr(self._type_info, f"leave_{kind}", None),
            self._bound("enter", kind),
            self._bound("leave", kind),
        )
        return found

    def _bound(self, phase: str, kind: str) -> list[tuple[int, _Hook]]:
        methods = _methods(self._kinds, phase, kind)
        return [(index, getattr(self._visitors[index], name)) for index, name in methods]


class _Context(ValidationContext):
    """A context without graphql-core's caches by node, which hash the whole subtree for each look-up."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._usages: dict[int, list[VariableUsage]] = {}
        self._all_usages: dict[int, list[VariableUsage]] = {}
        self._spreads: dict[int, list[FragmentSpreadNode]] = {}

    def get_variable_usages(self, node: Any) -> list[VariableUsage]:
        found = self._usages.get(id(node))
        if found is None:
            fragment = node if isinstance(node, FragmentDefinitionNode) else None
            visitor = VariableUsageVisitor(self._type_info, fragment)
            # A definition without `$` in its text has no variables.
            if node.loc is None or "$" in node.loc.source.body[node.loc.start : node.loc.end]:
                _Walk(self._type_info, [visitor]).visit(node)
            found = self._usages[id(node)] = visitor.usages
        return found

    def get_recursive_variable_usages(self, operation: OperationDefinitionNode) -> list[VariableUsage]:
        found = self._all_usages.get(id(operation))
        if found is None:
            found = list(self.get_variable_usages(operation))
            for fragment in self.get_recursively_referenced_fragments(operation):
                found += self.get_variable_usages(fragment)
            self._all_usages[id(operation)] = found
        return found

    def get_fragment_spreads(self, node: SelectionSetNode) -> list[FragmentSpreadNode]:
        found = self._spreads.get(id(node))
        if found is None:
            found = self._spreads[id(node)] = []
            pending = [node]
            while pending:
                for selection in pending.pop().selections:
                    if isinstance(selection, FragmentSpreadNode):
                        found.append(selection)
                    elif (within := cast("Any", selection).selection_set) is not None:
                        pending.append(within)
        return found
