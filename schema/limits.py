"""Limits on one document, checked before any of GraphQL's validation rules and before any resolver.

Some limits bound what an operation requests, others the cost of validating the document: the rules compare fields and
fragments in pairs, and quote what they reject. `parsing.py` checks those that can be counted while parsing.

The usual depth and alias limiters expand a fragment again at every spread, which a small document can make exponential.
Here each fragment is weighed once and its weight is reused, so that one walk is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
ONCE: Final = "completeConnection"
# Answering it takes 10 ms. No tool needs it twice, or what it selects under several aliases.
SCHEMA: Final = "__schema"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that depend on the caller. `size` is in bytes of UTF-8; with None the limit for bodies applies.
    `scope` is the end of their messages."""

    tokens: int
    depth: int
    size: int | None
    scope: str = ""

    @property
    def too_many_tokens(self) -> str:
        return f"The document has more than {self.tokens} tokens{self.scope}."


FULL: Final = Limits(TOKENS, DEPTH, None)
ANONYMOUS: Final = Limits(100, 5, 6 * 1024, " without a bearer token")
"""The limits for callers without a bearer token."""


class Weight(NamedTuple):
    """What a selection set holds after its fragments are expanded. `root` counts its own fields, by name."""

    depth: int = 0
    introspection: int = 0
    aliases: int = 0
    fields: int = 0
    root: int = 0
    once: int = 0
    schemas: int = 0
    introspection_aliases: int = 0


_NOTHING: Final = Weight()


class Scale:
    """Weighs the operations of one document. `members` is the size of the largest input object so far, `items` that of
    the longest list."""

    def __init__(self, document: DocumentNode) -> None:
        self.members = 0
        self.items = 0
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._known: dict[str, Weight] = {}

    def weigh(self, selections: SelectionSetNode | None) -> Weight:
        if selections is None or not selections.selections:
            return _NOTHING
        depths, introspections, *counts = zip(*map(self._selection, selections.selections), strict=True)
        return Weight(max(depths), max(introspections), *map(sum, counts))

    def _selection(self, node: SelectionNode) -> Weight:
        self.measure_directives(node)
        match node:
            case FieldNode():
                return self._field(node)
            case InlineFragmentNode():
                return self.weigh(node.selection_set)
            case FragmentSpreadNode():
                return self._fragment(node.name.value)
            case _:
                return _NOTHING

    def _field(self, node: FieldNode) -> Weight:
        for argument in node.arguments or ():
            self.measure(argument.value)
        within = self.weigh(node.selection_set)
        introspects = node.name.value.startswith("__")
        return Weight(
            depth=0 if introspects else within.depth + 1,
            introspection=1 + max(within.introspection, within.depth) if introspects else within.introspection,
            aliases=within.aliases + (node.alias is not None),
            fields=within.fields + 1,
            root=1,
            once=int(node.name.value == ONCE),
            schemas=int(node.name.value == SCHEMA),
            introspection_aliases=within.aliases if introspects else within.introspection_aliases,
        )

    def _fragment(self, name: str) -> Weight:
        if name not in self._known:
            # A fragment met again within itself weighs nothing: a standard rule refuses the cycle.
            self._known[name] = _NOTHING
            fragment = self._fragments.get(name)
            self._known[name] = self.weigh(fragment.selection_set if fragment else None)
        return self._known[name]

    def measure_directives(self, node: SelectionNode | DefinitionNode | VariableDefinitionNode) -> None:
        """Measure what is given to the directives of a node."""
        # Constant and other directives have no type in common.
        for directive in cast("Sequence[DirectiveNode]", cast("Any", node).directives or ()):
            for argument in directive.arguments or ():
                self.measure(argument.value)

    def measure(self, value: ValueNode) -> None:
        """Measure the input objects and lists in a value."""
        if isinstance(value, ObjectValueNode):
            self.members = max(self.members, len(value.fields))
            for field in value.fields:
                self.measure(field.value)
        elif isinstance(value, ListValueNode):
            self.items = max(self.items, len(value.values))
            for item in value.values:
                self.measure(item)


def excess_of(document: DocumentNode, limits: Limits = FULL) -> str | None:
    """What the document has too much of, or None."""
    scale = Scale(document)
    if len(document.definitions) > DEFINITIONS:
        return f"The document has more than {DEFINITIONS} operations and fragments."
    for node in document.definitions:
        for count, most, message in _counts(node, scale, limits):
            if count > most:
                return message
    if scale.members > MEMBERS:
        return f"An input object in the document has more than {MEMBERS} members."
    if scale.items > ITEMS:
        return f"A list in the document has more than {ITEMS} values."
    return None


def _counts(node: DefinitionNode, scale: Scale, limits: Limits) -> list[tuple[int, int, str]]:
    if isinstance(node, FragmentDefinitionNode):
        scale.measure_directives(node)
        # A fragment is validated even if no operation spreads it. Its depth depends on the operation.
        return [_fields(scale.weigh(node.selection_set))]
    if not isinstance(node, OperationDefinitionNode):
        return []
    scale.measure_directives(node)
    for variable in node.variable_definitions or ():
        scale.measure_directives(variable)
        if variable.default_value:
            scale.measure(variable.default_value)
    weight = scale.weigh(node.selection_set)
    return [
        (weight.depth, limits.depth, f"The operation is deeper than {limits.depth} levels{limits.scope}."),
        (weight.introspection, INTROSPECTION_DEPTH, f"The introspection is deeper than {INTROSPECTION_DEPTH} levels."),
        (weight.aliases, ALIASES, f"The operation has more than {ALIASES} aliases."),
        (weight.root, ROOT_FIELDS, f"The operation has more than {ROOT_FIELDS} root fields."),
        _fields(weight),
        (weight.once, 1, f"An operation can have one {ONCE} only."),
        (weight.schemas, 1, f"An operation can have one {SCHEMA} only."),
        (weight.introspection_aliases, 0, "Introspection can't have aliases below its root field."),
    ]


def _fields(weight: Weight) -> tuple[int, int, str]:
    return weight.fields, FIELDS, f"The document selects more than {FIELDS} fields at once."
