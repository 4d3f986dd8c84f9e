"""The fields that a document selects, each compiled to one function. Fragments, fields that are asked for twice, and
`@skip` and `@include` with literals are settled here, by graphql-core's own rules."""

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

from schema.plans.fields import NotCovered, defined, nullable, resolver_of
from schema.plans.outputs import Complete, Path, Place, Run, fielded, leaf, listed

# A directive that looks at a variable finds none and raises.
_NO_VARIABLES: Final = VariableValues({}, {})

Details = list[FieldDetails]


class Selections:
    """The selections of one operation. `leaves` are fields that documents have in common."""

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

    def roots(self, kind: GraphQLObjectType) -> dict[str, Details]:
        """What the operation asks for of its root type, by the keys of the answer."""
        try:
            collected = collect_fields(self._schema, self._fragments, _NO_VARIABLES, kind, self._operation)
        except GraphQLError:
            raise NotCovered from None
        return collected.grouped_field_set

    def field(self, kind: GraphQLObjectType, details: Details) -> Any:
        """graphql-core's field. The schema has all that a valid document names."""
        return self._schema.get_field(kind, details[0].node.name.value)

    def completion(self, declared: Any, name: str, details: Details) -> Complete:
        """What becomes of a value of the field `name`, by its type."""
        place = placed(declared, name, details)
        kind = nullable(declared)
        if isinstance(kind, GraphQLList):
            item = cast("Any", kind).of_type
            return listed(self.completion(item, name, details), place, placed(item, name, details))
        if isinstance(kind, GraphQLScalarType | GraphQLEnumType):
            return leaf(kind, place)
        if isinstance(kind, GraphQLObjectType) and kind.is_type_of is None:
            return fielded(self._fields(kind, details), place)
        raise NotCovered

    def _fields(self, kind: GraphQLObjectType, details: Details) -> list[tuple[str, Complete, Place]]:
        try:
            collected = collect_subfields(self._schema, self._fragments, _NO_VARIABLES, self._operation, kind, details)
        except GraphQLError:
            raise NotCovered from None
        return [self._step(kind, key, its) for key, its in collected.grouped_field_set.items()]

    def _step(self, kind: GraphQLObjectType, key: str, details: Details) -> tuple[str, Complete, Place]:
        field, name = self.field(kind, details), f"{kind.name}.{details[0].node.name.value}"
        place = placed(field.type, name, details)
        if name.endswith(".__typename"):
            return key, typename(kind), place
        if field.args:
            raise NotCovered
        if details[0].node.selection_set or isinstance(nullable(field.type), GraphQLList):
            return key, _resolved(field, _within(key, self.completion(field.type, name, details))), place
        if name not in self._leaves:
            self._leaves[name] = _resolved(field, self.completion(field.type, name, details))
        return key, self._leaves[name], place


def placed(declared: Any, name: str, details: Details) -> Place:
    return Place(name, [detail.node for detail in details], nullable=not isinstance(declared, GraphQLNonNull))


def typename(kind: GraphQLObjectType) -> Complete:
    return lambda _source, _run, _path: kind.name


def _within(key: str, complete: Complete) -> Complete:
    return lambda value, run, path: complete(value, run, (path, key))


def _resolved(field: Any, complete: Complete) -> Complete:
    resolver = resolver_of(defined(field))
    call = resolver.call
    if resolver.is_async:
        raise NotCovered

    def with_info(source: Any, run: Run, path: Path) -> Any:
        return complete(call(source, info=run.here), run, path)

    def alone(source: Any, run: Run, path: Path) -> Any:
        return complete(call(source), run, path)

    return with_info if resolver.takes_info else alone
