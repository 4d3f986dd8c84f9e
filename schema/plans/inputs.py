"""Variables and arguments, as resolvers take them. Only what is plainly valid is taken: any exception means doubt. Then
nothing has run yet, and graphql-core's executor says what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from graphql import (
    FieldNode,
    GraphQLInputObjectType,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    Undefined,
    ValueNode,
    VariableNode,
    utilities,
)

from schema.plans.fields import NotCovered, defined, nullable
from schema.plans.input_objects import Doubt, InputObject, optional, present, scalar

Known = Mapping[str, Any]
"""Variables by name, coerced. One that was left out is not there."""

Take = Callable[[Known], Any]

_coerce_literal: Callable[[ValueNode, Any], Any] = cast("Any", utilities).coerce_input_literal
_type_from_ast: Callable[[GraphQLSchema, Any], Any] = cast("Any", utilities).type_from_ast
_LEFT_OUT: Final = object()


def variables(schema: GraphQLSchema, operation: OperationDefinitionNode) -> Callable[[Mapping[str, Any]], Known]:
    """What coerces the variables of a request. A default is made anew each time, as resolvers may keep it."""
    declared: list[tuple[str, Callable[[Any], Any], Take]] = []
    for node in operation.variable_definitions or ():
        kind = _type_from_ast(schema, node.type)
        without = _literal(node.default_value, kind) if node.default_value else _without(kind)
        declared.append((node.variable.name.value, _coercion(kind), without))

    def coerced(given: Mapping[str, Any]) -> Known:
        known = {name: coerce(given[name]) if name in given else without({}) for name, coerce, without in declared}
        return {name: value for name, value in known.items() if value is not _LEFT_OUT}

    return coerced


def arguments(field: Any, node: FieldNode) -> Callable[[Known], dict[str, Any]]:
    """What makes the keyword arguments of the field's resolver."""
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    parts: dict[str, Take] = {}
    for name, argument in field.args.items():
        definition = defined(argument)
        if argument.default is not None or definition.is_maybe:
            raise NotCovered
        if name in given:
            parts[definition.python_name] = _literal(given[name], argument.type)
    return _together(parts)


def no_arguments(_known: Known) -> dict[str, Any]:
    return {}


def _together(parts: Mapping[str, Take]) -> Callable[[Known], dict[str, Any]]:
    def taken(known: Known) -> dict[str, Any]:
        return {name: value for name, take in parts.items() if (value := take(known)) is not _LEFT_OUT}

    return taken


def _coercion(declared: Any) -> Callable[[Any], Any]:
    kind = nullable(declared)
    if not isinstance(kind, GraphQLInputObjectType):
        return scalar(declared)
    coerce = InputObject(kind).coerced
    return optional(coerce) if kind is declared else present(coerce)


def _without(declared: Any) -> Take:
    """What stands for a variable that is not given and has no default."""

    def without(_known: Known) -> Any:
        if isinstance(declared, GraphQLNonNull):
            raise Doubt
        return _LEFT_OUT

    return without


def _literal(node: ValueNode, declared: Any) -> Take:
    """What makes the value that stands in the document, perhaps with variables within."""
    if isinstance(node, VariableNode):
        return _variable(node.name.value, required=isinstance(declared, GraphQLNonNull))
    kind = nullable(declared)
    if isinstance(node, ObjectValueNode) and isinstance(kind, GraphQLInputObjectType):
        target = InputObject(kind)
        taken = _together(
            {part.name.value: _literal(part.value, target.kinds[part.name.value]) for part in node.fields}
        )
        return lambda known: target.made(taken(known))
    value = _coerce_literal(node, declared)
    if (
        value is Undefined
        or not isinstance(kind, GraphQLScalarType)
        or isinstance(node, ObjectValueNode | ListValueNode)
    ):
        raise NotCovered
    return lambda _known: value


def _variable(name: str, *, required: bool) -> Take:
    if not required:
        return lambda known: known.get(name, _LEFT_OUT)

    def take(known: Known) -> Any:
        if known[name] is None:
            raise Doubt
        return known[name]

    return take
