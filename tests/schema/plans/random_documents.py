"""Random valid documents over a schema, with variables for them, as hypothesis draws them.

A key of the answer always stands for the same field with the same arguments, so that fields which are asked for twice
can be merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationType,
    get_named_type,
    get_nullable_type,
)
from hypothesis import strategies as st

TEXTS: Final = ["USER", "CONNECTION", "oura", "sandbox", "nobody", "", "STATE", "CODE", "REDIRECT", "ISS", 'a"\\b']
"""Those in capitals are the caller's to replace."""

LITERALS: Final = {
    "Int": ["0", "-5", "2147483647"],
    "Float": ["0.5", "-2e3", "7"],
    "Boolean": ["true", "false"],
    "DateTime": ['"2026-11-23T12:00:00Z"'],
}
JSON: Final[dict[str, list[Any]]] = {
    "Int": [0, -5, 2147483647, 7.0],
    "Float": [0.5, -2000.0, 7],
    "Boolean": [True, False],
    "DateTime": ["2026-11-23T12:00:00Z", "2026-11-23"],
    "ID": ["an id", 5],
}
WRONG: Final[list[Any]] = [None, 5, 2.5, True, [], ["oura"], {}, {"provider": "oura"}]
_DEPTH: Final = 3


@dataclass(frozen=True)
class Drawn:
    text: str
    variables: dict[str, Any]


class _Drawing:
    def __init__(self, draw: st.DrawFn, schema: GraphQLSchema, texts: list[str]) -> None:
        self._draw = draw
        self._schema = schema
        self._texts = texts
        self._fragments: list[str] = []
        self._declared: list[str] = []
        self._variables: dict[str, Any] = {}
        self._arguments: dict[tuple[str, str], str] = {}

    def document(self) -> Drawn:
        kind = self._pick([OperationType.QUERY, OperationType.QUERY, OperationType.MUTATION])
        root = self._schema.get_root_type(kind)
        assert root is not None
        selections = self._selections(root, _DEPTH)
        declared = f"({', '.join(self._declared)})" if self._declared else ""
        text = "\n".join([f"{kind.value} Drawn{declared} {selections}", *self._fragments])
        return Drawn(text, self._variables)

    def _pick(self, among: list[Any]) -> Any:
        return self._draw(st.sampled_from(among))

    def _rarely(self) -> bool:
        return self._draw(st.integers(0, 7)) == 7

    def _selections(self, kind: GraphQLObjectType, depth: int) -> str:
        count = self._draw(st.integers(1, 4))
        parts = [self._selection(kind, depth) for _ in range(count)]
        return "{ " + "\n".join(parts) + " }"

    def _selection(self, kind: GraphQLObjectType, depth: int) -> str:
        shape = self._draw(st.integers(0, 9)) if depth else 0
        if shape == 7:
            return f"... on {kind.name}{self._directive()} {self._selections(kind, depth - 1)}"
        if shape == 8:
            return f"...{self._directive()} {self._selections(kind, depth - 1)}"
        if shape == 9:
            name = f"F{len(self._fragments)}"
            self._fragments.append("")
            self._fragments[int(name[1:])] = f"fragment {name} on {kind.name} {self._selections(kind, depth - 1)}"
            return " ".join([f"...{name}{self._directive()}"] * self._pick([1, 1, 2]))
        return self._field(kind, depth)

    def _field(self, kind: GraphQLObjectType, depth: int) -> str:
        names = [
            name for name, field in kind.fields.items() if depth or not isinstance(_kind(field), GraphQLObjectType)
        ]
        name = self._pick([*names, "__typename"])
        key = f"{name}{self._pick(['1', '2'])}" if self._rarely() else name
        asked = name if key == name else f"{key}: {name}"
        if name == "__typename":
            return asked
        field = kind.fields[name]
        asked += self._given(kind, key, field) + self._directive()
        target = _kind(field)
        return f"{asked} {self._selections(target, depth - 1)}" if isinstance(target, GraphQLObjectType) else asked

    def _directive(self) -> str:
        if not self._rarely():
            return ""
        condition = self._pick(["true", "false", "true", "false", "$condition"])
        if condition == "$condition" and "condition" not in self._variables:
            self._declared.append("$condition: Boolean!")
            self._variables["condition"] = self._draw(st.booleans())
        return f" @{self._pick(['skip', 'include'])}(if: {condition})"

    def _given(self, kind: GraphQLObjectType, key: str, field: GraphQLField) -> str:
        if not field.args:
            return ""
        place = (kind.name, key)
        if place not in self._arguments:
            parts = [
                f"{name}: {self._value(argument.type)}"
                for name, argument in field.args.items()
                if isinstance(argument.type, GraphQLNonNull) or self._draw(st.booleans())
            ]
            self._arguments[place] = f"({', '.join(parts)})" if parts else ""
        return self._arguments[place]

    def _value(self, declared: Any) -> str:
        if self._draw(st.booleans()):
            return self._variable(declared)
        kind = get_nullable_type(declared)
        if not isinstance(kind, GraphQLInputObjectType):
            return "null" if kind is declared and self._rarely() else self._literal(kind)
        members = [
            f"{name}: {self._value(member.type)}"
            for name, member in kind.fields.items()
            if isinstance(member.type, GraphQLNonNull) or self._draw(st.booleans())
        ]
        return "{" + ", ".join(members) + "}"

    def _literal(self, kind: Any) -> str:
        if isinstance(kind, GraphQLList):
            item = get_nullable_type(cast("Any", kind).of_type)
            # A single item stands for a list of it.
            return self._literal(item) if self._rarely() else f"[{', '.join(self._literal(item) for _ in range(2))}]"
        if kind.name in LITERALS:
            return self._pick(LITERALS[kind.name])
        if kind.name == "ID" and self._rarely():
            return "5"
        return '"' + self._pick(self._texts).replace("\\", "\\\\").replace('"', '\\"') + '"'

    def _variable(self, declared: Any) -> str:
        """Declared as its place is, or with a default, which stands for what is left out."""
        name, kind = f"v{len(self._declared)}", get_nullable_type(declared)
        default = not isinstance(kind, GraphQLInputObjectType) and self._draw(st.booleans())
        shown = f"{kind}" if default or self._draw(st.booleans()) else f"{kind}!"
        if not default and kind is not declared:
            shown = f"{kind}!"
        self._declared.append(f"${name}: {shown}" + (f" = {self._literal(kind)}" if default else ""))
        if not self._rarely():
            self._variables[name] = self._pick(WRONG) if self._rarely() else self._json(kind)
        return f"${name}"

    def _json(self, kind: Any) -> Any:
        if isinstance(kind, GraphQLList):
            items = [self._json(get_nullable_type(cast("Any", kind).of_type)) for _ in range(2)]
            return self._pick([items, items[:1], items[0], [], [None]]) if self._rarely() else items
        if not isinstance(kind, GraphQLInputObjectType):
            return self._pick(JSON.get(kind.name) or self._texts)
        value = {
            name: self._json(get_nullable_type(member.type))
            for name, member in kind.fields.items()
            if isinstance(member.type, GraphQLNonNull) or self._draw(st.booleans())
        }
        if self._rarely():
            value[self._pick([*value, "unknown"])] = self._pick(WRONG)
        return value


def _kind(field: GraphQLField) -> Any:
    return get_named_type(field.type)


def documents(schema: GraphQLSchema, texts: list[str] = TEXTS) -> st.SearchStrategy[Drawn]:
    # The schema is no argument of the strategy: Hypothesis prints those, and it would take 37 kB.
    @st.composite
    def drawn(draw: st.DrawFn) -> Drawn:
        return _Drawing(draw, schema, texts).document()

    return drawn()
