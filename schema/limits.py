"""Limits on one document, checked before GraphQL's validation rules and before any resolver runs.

Some limits bound what an operation requests, others the cost of validating the document: the rules compare fields and
fragments in pairs, and quote what they reject. Those that can be counted while parsing are checked in `parsing.py`.

The usual depth and alias limiters expand a fragment again at every spread, which a small document can make exponential.
Here each fragment is counted once and its counts are reused, so that one walk is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

from graphql import (
    DefinitionNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableDefinitionNode,
)
from msgspec import Struct

from schema.types import ONCE

TOKENS: Final = 1000
DEPTH: Final = 10
# The editors' introspection query follows nine levels of wrapped types.
INTROSPECTION_DEPTH: Final = 16
ALIASES: Final = 15
ROOT_FIELDS: Final = 5
DIRECTIVES: Final = 50
# Fields after the expansion of fragments.
FIELDS: Final = 250
# Operations and fragments. Each operation is validated with every fragment that it reaches.
DEFINITIONS: Final = 16
# Members of one input object. Each unknown member is an error.
MEMBERS: Final = 30
# Values in one list. Each wrong value is an error.
ITEMS: Final = 30
# Depth of objects and lists in a value, and of lists in a type. Our inputs have one level.
NESTING: Final = 10
# Fragment spreads, named or inline. Validation compares each with every other.
SPREADS: Final = 30
# Everything that becomes a node of the document: names, values, and opening brackets. Parsing and validating one takes
# at least 10 us.
PARTS: Final = 300
# Characters of one name or number, which errors quote.
NAME: Final = 128
# graphql-core counts lines from the beginning to locate an error.
LINES: Final = 1000
# Characters in strings that have to be scanned one by one: block strings and strings with escapes.
ESCAPED: Final = 2048
# An operation can have one of these only. Answering it takes 10 ms; no tool needs it twice, or what it selects under
# several aliases.
SCHEMA: Final = "__schema"


class Limits(Struct, frozen=True):
    """The limits that depend on the caller. `size` is in bytes of UTF-8; with None the limit for bodies applies.
    `scope` is the end of their messages."""

    tokens: int
    depth: int
    aliases: int
    size: int | None
    scope: str = ""

    def excess_of_size(self, text: str) -> str | None:
        """What is wrong if the text has too many bytes."""
        if self.size is None or len(text.encode()) <= self.size:
            return None
        return f"The document has more than {self.size} bytes{self.scope}."

    @property
    def too_many_tokens(self) -> str:
        return f"The document has more than {self.tokens} tokens{self.scope}."


FULL: Final = Limits(TOKENS, DEPTH, ALIASES, None)
# An alias repeats a field, and all about all providers takes a millisecond.
ANONYMOUS: Final = Limits(100, 5, 5, 6 * 1024, " without a bearer token")
"""The limits for callers without a bearer token."""


class Counts(NamedTuple):
    """What a selection set contains after its fragments are expanded. `root` counts its own fields, `once` and
    `schemas` those that an operation may have once only."""

    depth: int = 0
    introspection: int = 0
    aliases: int = 0
    fields: int = 0
    root: int = 0
    once: int = 0
    schemas: int = 0
    introspection_aliases: int = 0


_NOTHING: Final = Counts()


class Counter:
    """Counts what the operations of one document contain. `members` is the size of the largest input object so far,
    `items` that of the longest list."""

    def __init__(self, document: DocumentNode) -> None:
        self.members = 0
        self.items = 0
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._by_fragment: dict[str, Counts] = {}

    def count(self, selections: SelectionSetNode | None) -> Counts:
        if selections is None or not selections.selections:
            return _NOTHING
        depths, introspections, *sums = zip(*map(self._selection, selections.selections), strict=True)
        return Counts(max(depths), max(introspections), *map(sum, sums))

    def _selection(self, node: SelectionNode) -> Counts:
        self.count_in_directives(node)
        match node:
            case FieldNode():
                return self._field(node)
            case InlineFragmentNode():
                return self.count(node.selection_set)
            case FragmentSpreadNode():
                return self._fragment(node.name.value)
            case _:
                return _NOTHING

    def _field(self, node: FieldNode) -> Counts:
        for argument in node.arguments or ():
            self.count_in_value(argument.value)
        within = self.count(node.selection_set)
        introspects = node.name.value.startswith("__")
        return Counts(
            depth=0 if introspects else within.depth + 1,
            introspection=1 + max(within.introspection, within.depth) if introspects else within.introspection,
            aliases=within.aliases + (node.alias is not None),
            fields=within.fields + 1,
            root=1,
            once=int(node.name.value == ONCE),
            schemas=int(node.name.value == SCHEMA),
            introspection_aliases=within.aliases if introspects else within.introspection_aliases,
        )

    def _fragment(self, name: str) -> Counts:
        if name not in self._by_fragment:
            # A fragment that contains itself counts nothing there: a standard rule rejects the cycle.
            self._by_fragment[name] = _NOTHING
            fragment = self._fragments.get(name)
            self._by_fragment[name] = self.count(fragment.selection_set if fragment else None)
        return self._by_fragment[name]

    def count_in_directives(self, node: SelectionNode | DefinitionNode | VariableDefinitionNode) -> None:
        """Counts in the arguments of a node's directives."""
        # Constant and other directives have no type in common.
        for directive in cast("Sequence[DirectiveNode]", cast("Any", node).directives or ()):
            for argument in directive.arguments or ():
                self.count_in_value(argument.value)

    def count_in_value(self, value: ValueNode) -> None:
        """Counts the members and items of the input objects and lists in a value."""
        if isinstance(value, ObjectValueNode):
            self.members = max(self.members, len(value.fields))
            for field in value.fields:
                self.count_in_value(field.value)
        elif isinstance(value, ListValueNode):
            self.items = max(self.items, len(value.values))
            for item in value.values:
                self.count_in_value(item)


def excess_of(document: DocumentNode, limits: Limits = FULL) -> str | None:
    """What is wrong if the document exceeds a limit."""
    counter = Counter(document)
    if len(document.definitions) > DEFINITIONS:
        return f"The document has more than {DEFINITIONS} operations and fragments."
    for node in document.definitions:
        for count, most, message in _checks(node, counter, limits):
            if count > most:
                return message
    if counter.members > MEMBERS:
        return f"An input object in the document has more than {MEMBERS} members."
    if counter.items > ITEMS:
        return f"A list in the document has more than {ITEMS} values."
    return None


def _checks(node: DefinitionNode, counter: Counter, limits: Limits) -> list[tuple[int, int, str]]:
    if isinstance(node, FragmentDefinitionNode):
        counter.count_in_directives(node)
        # A fragment is validated even if no operation spreads it. Its depth depends on the operation that does.
        return [_fields(counter.count(node.selection_set))]
    if not isinstance(node, OperationDefinitionNode):
        return []
    counter.count_in_directives(node)
    for variable in node.variable_definitions or ():
        counter.count_in_directives(variable)
        if variable.default_value:
            counter.count_in_value(variable.default_value)
    counts = counter.count(node.selection_set)
    return [
        (counts.depth, limits.depth, f"The operation is deeper than {limits.depth} levels{limits.scope}."),
        (counts.introspection, INTROSPECTION_DEPTH, f"The introspection is deeper than {INTROSPECTION_DEPTH} levels."),
        (counts.aliases, limits.aliases, f"The operation has more than {limits.aliases} aliases{limits.scope}."),
        (counts.root, ROOT_FIELDS, f"The operation has more than {ROOT_FIELDS} root fields."),
        _fields(counts),
        (counts.once, 1, f"An operation can have one {ONCE} only."),
        (counts.schemas, 1, f"An operation can have one {SCHEMA} only."),
        (counts.introspection_aliases, 0, "Introspection can't have aliases below its root field."),
    ]


def _fields(counts: Counts) -> tuple[int, int, str]:
    return counts.fields, FIELDS, f"The document selects more than {FIELDS} fields at once."
