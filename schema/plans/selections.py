"""Compiles the selections of an operation: finds the fields and their types, and combines the functions of `outputs`.

Fragments, fields that are selected twice, and `@skip` and `@include` with literals are dealt with here, by
graphql-core's own rules.
"""

from __future__ import annotations

from typing import Any, Final, cast

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues

from schema.plans.fields import NotCovered, resolver_of
from schema.plans.outputs import (
    Column,
    Complete,
    Field,
    Objects,
    Position,
    at,
    compile_leaf,
    guarded,
    leaf_resolution,
    list_completion,
    resolution,
    typename,
)
from schema.variables import nullable

Details = list[FieldDetails]
"""The nodes of the document that select one field."""

LeafResolution = tuple[Complete, Column | None]
"""What documents share of a field that is a scalar or an enum."""

# A directive that needs a variable finds none and raises.
_NO_VARIABLES: Final = VariableValues({}, {})


class Selections:
    """Compiles the selections of one operation. `leaves` are fields that documents share."""

    def __init__(
        self,
        schema: GraphQLSchema,
        leaves: dict[str, LeafResolution],
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
            return self._list(cast("Any", kind).of_type, position, details)
        if isinstance(kind, GraphQLScalarType | GraphQLEnumType):
            complete = compile_leaf(kind, position).one
            return lambda value, _run, _path: complete(value)
        return guarded(self._objects(kind, details).complete, position)

    def selected(self, declared: Any, details: Details) -> frozenset[str]:
        """The names of the fields that are selected of an object of this type, or of the objects of a list."""
        kind = nullable(declared)
        while isinstance(kind, GraphQLList):
            kind = nullable(cast("Any", kind).of_type)
        if not isinstance(kind, GraphQLObjectType):
            return frozenset()
        return frozenset(its[0].node.name.value for its in self._collect(kind, details).values())

    def _list(self, item: Any, position: Position, details: Details) -> Complete:
        kind, its = nullable(item), _position(item, position.name, details)
        if isinstance(kind, GraphQLObjectType):
            objects = self._objects(kind, details)
            return list_completion(guarded(objects.complete, its), position, its, objects)
        return list_completion(self.completion(item, its, details), position, its, None)

    def _objects(self, kind: Any, details: Details) -> Objects:
        if not isinstance(kind, GraphQLObjectType) or kind.is_type_of is not None:
            raise NotCovered
        return Objects([self._field(kind, key, its) for key, its in self._collect(kind, details).items()])

    def _field(self, kind: GraphQLObjectType, key: str, details: Details) -> Field:
        field, position = self.field(kind, details)
        if details[0].node.name.value == "__typename":
            return Field(key, position, typename(kind))
        resolver = resolver_of(field)
        if field.args or resolver.is_async:
            raise NotCovered
        type_ = nullable(field.type)
        if not isinstance(type_, GraphQLScalarType | GraphQLEnumType):
            complete = at(key, self.completion(field.type, position, details))
            return Field(key, position, resolution(resolver, complete))
        if position.name not in self._leaves:
            self._leaves[position.name] = leaf_resolution(resolver, compile_leaf(type_, position))
        return Field(key, position, *self._leaves[position.name])


def _position(declared: Any, name: str, details: Details) -> Position:
    return Position(name, [detail.node for detail in details], nullable=not isinstance(declared, GraphQLNonNull))
