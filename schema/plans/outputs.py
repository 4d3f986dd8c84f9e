"""The fields that a document selects, each compiled to one function that resolves it and completes its value (GraphQL
6.4.3): brings it into the form that JSON takes.

Such a function raises what went wrong. The nearest position that may be null turns that into null and an error.
Fragments, fields that are selected twice, and `@skip` and `@include` with literals are dealt with when a document is
compiled, by graphql-core's own rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLError,
    GraphQLID,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    Undefined,
)
from graphql.error import located_error
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues
from graphql.pyutils import is_iterable  # pyright: ignore[reportUnknownVariableType]

from schema.plans.fields import Info, NotCovered, definition_of, resolver_of
from schema.variables import nullable

Path = tuple[Any, Any] | None
"""Where a value is in the response: the path of what contains it, and its key or index there."""

Complete = Callable[[Any, "Run", Path], Any]
"""Takes a value, or the object whose field to resolve, and returns what JSON takes."""

Details = list[FieldDetails]
"""The nodes of the document that select one field."""

# A directive that needs a variable finds none and raises.
_NO_VARIABLES: Final = VariableValues({}, {})
# Values of these classes are their own JSON.
_JSON_CLASSES: Final = {GraphQLString.name: str, GraphQLID.name: str, GraphQLBoolean.name: bool}


@dataclass(frozen=True, slots=True)
class Position:
    """A field, or the items of its list. Errors show `name`, and the places of `nodes` in the document."""

    name: str
    nodes: Sequence[FieldNode]
    nullable: bool


@dataclass(slots=True)
class Run:
    """One run of a plan: what resolvers may know of the request, and the errors so far."""

    info: Info
    errors: list[GraphQLError] = field(default_factory=list[GraphQLError])

    def fail(self, fault: Exception, position: Position, path: Path) -> None:
        """Makes the position null, or raises for what contains it."""
        names: list[Any] = []
        while path is not None:
            path, name = path
            names.append(name)
        error = located_error(fault, position.nodes, names[::-1])
        if not position.nullable:
            raise error
        self.errors.append(error)


_Field = tuple[str, Complete, Position]
"""The key of a field in the response, the function that resolves it, and its position."""


class Selections:
    """Compiles the selections of one operation. `leaves` are fields that documents share."""

    def __init__(
        self,
        schema: GraphQLSchema,
        leaves: dict[str, Complete],
        document: DocumentNode,
        operation: OperationDefinitionNode,
    ) -> None:
        self._schema = schema
        self._leaves = leaves
        self._operation = operation
        self._fragments = {
            node.name.value: FragmentDetails(node)
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }

    def collect_roots(self, kind: GraphQLObjectType) -> dict[str, Details]:
        """The fields that the operation selects of its root type, by their keys in the response."""
        try:
            collected = collect_fields(self._schema, self._fragments, _NO_VARIABLES, kind, self._operation)
        except GraphQLError:
            raise NotCovered from None
        return collected.grouped_field_set

    def _collect(self, kind: GraphQLObjectType, details: Details) -> dict[str, Details]:
        try:
            collected = collect_subfields(self._schema, self._fragments, _NO_VARIABLES, self._operation, kind, details)
        except GraphQLError:
            raise NotCovered from None
        return collected.grouped_field_set

    def field(self, kind: GraphQLObjectType, details: Details) -> tuple[Any, Position]:
        """graphql-core's field, and its position. The schema has every field that a valid document names."""
        name = details[0].node.name.value
        field = self._schema.get_field(kind, name)
        return field, _position(cast("Any", field).type, f"{kind.name}.{name}", details)

    def completion(self, declared: Any, position: Position, details: Details) -> Complete:
        """The function that completes values of this type."""
        kind = nullable(declared)
        if isinstance(kind, GraphQLList):
            item = cast("Any", kind).of_type
            item_position = _position(item, position.name, details)
            return _list(self.completion(item, item_position, details), position, item_position)
        if isinstance(kind, GraphQLScalarType | GraphQLEnumType):
            return _leaf(kind, position)
        if isinstance(kind, GraphQLObjectType) and kind.is_type_of is None:
            fields = [self._field(kind, key, its) for key, its in self._collect(kind, details).items()]
            return _object(fields, position)
        raise NotCovered

    def _field(self, kind: GraphQLObjectType, key: str, details: Details) -> _Field:
        field, position = self.field(kind, details)
        node = details[0].node
        if node.name.value == "__typename":
            return key, typename(kind), position
        if field.args:
            raise NotCovered
        if node.selection_set or isinstance(nullable(field.type), GraphQLList):
            return key, _resolved(field, _at(key, self.completion(field.type, position, details))), position
        if position.name not in self._leaves:
            self._leaves[position.name] = _resolved(field, self.completion(field.type, position, details))
        return key, self._leaves[position.name], position


def typename(kind: GraphQLObjectType) -> Complete:
    return lambda _source, _run, _path: kind.name


def _position(declared: Any, name: str, details: Details) -> Position:
    return Position(name, [detail.node for detail in details], nullable=not isinstance(declared, GraphQLNonNull))


def _resolved(field: Any, complete: Complete) -> Complete:
    """Resolves the field of an object, and completes its value."""
    resolver = resolver_of(field)
    resolve = resolver.call
    if resolver.is_async:
        raise NotCovered
    if resolver.takes_info:
        return lambda source, run, path: complete(resolve(source, info=run.info), run, path)
    return lambda source, run, path: complete(resolve(source), run, path)


def _at(key: str, complete: Complete) -> Complete:
    return lambda value, run, path: complete(value, run, (path, key))


def _object(fields: Sequence[_Field], position: Position) -> Complete:
    def complete(source: Any, run: Run, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, resolve, its in fields:
            try:
                data[key] = resolve(source, run, path)
            except Exception as fault:  # noqa: BLE001 - resolvers may raise anything
                data[key] = run.fail(fault, its, (path, key))
        return data

    return _nullable(complete, position)


def _list(complete_item: Complete, position: Position, item: Position) -> Complete:
    def complete(values: Any, run: Run, path: Path) -> list[Any]:
        if not is_iterable(values):
            raise GraphQLError(f"Expected Iterable, but did not find one for field '{position.name}'.")
        data: list[Any] = []
        for index, value in enumerate(cast("Iterable[Any]", values)):
            try:
                data.append(complete_item(value, run, (path, index)))
            except Exception as fault:  # noqa: BLE001 - resolvers may raise anything
                data.append(run.fail(fault, item, (path, index)))
        return data

    return _nullable(complete, position)


def _leaf(kind: GraphQLScalarType | GraphQLEnumType, position: Position) -> Complete:
    """Refers to nothing of the document, so that documents can share it."""
    serialize, name = kind.coerce_output_value, position.name

    def serialize_any(value: Any, _run: Run, _path: Path) -> Any:
        serialized = serialize(value)
        if serialized is None or serialized is Undefined:
            raise TypeError(f"{name} has a value that {kind} does not.")
        return serialized

    complete = _nullable(serialize_any, position)
    if isinstance(kind, GraphQLEnumType):
        members = definition_of(kind).wrapped_cls
        # By value, because members are slow to hash.
        names: dict[Any, str] = {member.value: serialize(member) for member in members}
        return lambda value, run, path: names[value.value] if type(value) is members else complete(value, run, path)
    json_class = _JSON_CLASSES.get(kind.name)
    if json_class is None:
        return complete
    return lambda value, run, path: value if type(value) is json_class else complete(value, run, path)


def _nullable(complete: Complete, position: Position) -> Complete:
    """Null where it may be, and raises exceptions that were returned."""
    name, may_be_null = position.name, position.nullable

    def complete_nullable(value: Any, run: Run, path: Path) -> Any:
        if value is None or value is Undefined:
            if may_be_null:
                return None
            raise TypeError(f"Cannot return null for non-nullable field {name}.")
        if isinstance(value, Exception):
            raise value
        return complete(value, run, path)

    return complete_nullable
