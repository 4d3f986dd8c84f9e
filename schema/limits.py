"""What one document may ask for. Refused before any resolver runs, and before the standard rules look at it.

The standard limiters expand a fragment again at every spread, which a small document can make exponential. Here each
fragment is weighed once and its weight is reused, so the whole costs one walk over the document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationRule,
    Visitor,
    visit,
)
from graphql.validation.validate import ValidationAbortedError

TOKENS: Final = 1000
DEPTH: Final = 10
# The editors' introspection query follows nine levels of wrapped types.
INTROSPECTION_DEPTH: Final = 16
ALIASES: Final = 15
ROOT_FIELDS: Final = 5
DIRECTIVES: Final = 50
# Fields after the expansion of fragments. A standard rule compares them pairwise: twice as many cost four times.
FIELDS: Final = 250
# Characters. graphql-core repeats names in each of up to a hundred errors.
NAME: Final = 128
ONCE: Final = "completeConnection"


_TOO_MANY_FIELDS: Final = f"The document selects more than {FIELDS} fields at once."


@dataclass(frozen=True, slots=True)
class Weight:
    """What a selection set holds after its fragments are expanded. `root` counts its own fields, by name."""

    depth: int = 0
    introspection: int = 0
    aliases: int = 0
    fields: int = 0
    root: int = 0
    once: int = 0

    def beside(self, other: Weight) -> Weight:
        return Weight(
            max(self.depth, other.depth),
            max(self.introspection, other.introspection),
            self.aliases + other.aliases,
            self.fields + other.fields,
            self.root + other.root,
            self.once + other.once,
        )


class Scale:
    """Weighs the operations of one document."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._known: dict[str, Weight] = {}

    def weigh(self, selections: SelectionSetNode | None) -> Weight:
        weight = Weight()
        for node in selections.selections if selections else ():
            match node:
                case FieldNode():
                    weight = weight.beside(self._field(node))
                case InlineFragmentNode():
                    weight = weight.beside(self.weigh(node.selection_set))
                case FragmentSpreadNode():
                    weight = weight.beside(self._fragment(node.name.value))
                case _:
                    pass
        return weight

    def _field(self, node: FieldNode) -> Weight:
        within = self.weigh(node.selection_set)
        introspects = node.name.value.startswith("__")
        return Weight(
            depth=0 if introspects else within.depth + 1,
            introspection=1 + max(within.introspection, within.depth) if introspects else within.introspection,
            aliases=within.aliases + (node.alias is not None),
            fields=within.fields + 1,
            root=1,
            once=int(node.name.value == ONCE),
        )

    def _fragment(self, name: str) -> Weight:
        if name not in self._known:
            # A fragment met again within itself weighs nothing: a standard rule refuses the cycle.
            self._known[name] = Weight()
            fragment = self._fragments.get(name)
            self._known[name] = self.weigh(fragment.selection_set if fragment else None)
        return self._known[name]


class LimitsRule(ValidationRule):
    """Goes first among the rules and ends the validation when a document is over a limit."""

    def enter_document(self, node: DocumentNode, *_args: Any) -> None:
        excess = excess_of(node)
        if excess:
            raise ValidationAbortedError(excess)


def excess_of(document: DocumentNode) -> str | None:
    """What the document has too much of, or None."""
    counter = _Counter()
    visit(document, counter)
    if counter.directives > DIRECTIVES:
        return f"The document has more than {DIRECTIVES} directives."
    if counter.longest_name > NAME:
        return f"A name has more than {NAME} characters."
    scale = Scale(document)
    for node in document.definitions:
        excess = None
        if isinstance(node, OperationDefinitionNode):
            excess = _excess(scale.weigh(node.selection_set))
        elif isinstance(node, FragmentDefinitionNode):
            excess = _excess_of_fragment(scale.weigh(node.selection_set))
        if excess:
            return excess
    return None


def _excess_of_fragment(weight: Weight) -> str | None:
    """One that no operation spreads is validated all the same. How deep it stands only an operation can say."""
    return _TOO_MANY_FIELDS if weight.fields > FIELDS else None


def _excess(weight: Weight) -> str | None:
    for count, most, message in (
        (weight.depth, DEPTH, f"The operation is deeper than {DEPTH} levels."),
        (weight.introspection, INTROSPECTION_DEPTH, f"The introspection is deeper than {INTROSPECTION_DEPTH} levels."),
        (weight.aliases, ALIASES, f"The operation has more than {ALIASES} aliases."),
        (weight.root, ROOT_FIELDS, f"The operation has more than {ROOT_FIELDS} root fields."),
        (weight.fields, FIELDS, _TOO_MANY_FIELDS),
        (weight.once, 1, f"An operation can have one {ONCE} only."),
    ):
        if count > most:
            return message
    return None


class _Counter(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.directives = 0
        self.longest_name = 0

    def enter_directive(self, _node: DirectiveNode, *_args: Any) -> None:
        self.directives += 1

    def enter_name(self, node: NameNode, *_args: Any) -> None:
        self.longest_name = max(self.longest_name, len(node.value))
