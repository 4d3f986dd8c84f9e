"""Variables and arguments in the form that resolvers take.

A plan takes only what is certainly valid. Any exception means that graphql-core's executor has to decide, and to say
what is wrong. Nothing has run by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING
from typing import Any, Final, cast

from graphql import (
    FieldNode,
    GraphQLInputObjectType,
    GraphQLList,
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
from strawberry.types.base import StrawberryMaybe

from schema.plans.fields import NotCovered, definition_of
from schema.variables import declared_variables, nullable

Variables = Mapping[str, Any]
"""Variables by name, coerced. One that was left out is not in it."""

Arguments = dict[str, Any]
"""The keyword arguments of a resolver."""

ReadArguments = Callable[[Variables], Arguments]

Prepare = Callable[[Mapping[str, Any]], Sequence[Arguments] | None]
"""Takes the variables of a request, and returns the arguments of each root field. None if the variables are perhaps not
valid; nothing has run then."""

Coerce = Callable[[Any], Any]
"""Takes a value as JSON has it. Raises any exception if the value is perhaps not valid."""

Read = Callable[[Variables], Any]
"""Returns the value that a literal of the document stands for, given the variables in it."""

_coerce_literal: Callable[[ValueNode, Any], Any] = cast("Any", utilities).coerce_input_literal
_LEFT_OUT: Final = object()


def compile_preparation(
    schema: GraphQLSchema, operation: OperationDefinitionNode, arguments: Sequence[ReadArguments]
) -> Prepare:
    """The function that makes the arguments of all root fields. It makes defaults anew each time, because resolvers may
    keep them."""
    declared: list[tuple[str, Coerce, Read]] = []
    for variable in declared_variables(schema, operation):
        default = _literal(variable.default, variable.type) if variable.default else _no_default(variable.type)
        declared.append((variable.name, _coercion(variable.type), default))

    def prepare(given: Mapping[str, Any]) -> Sequence[Arguments] | None:
        variables: dict[str, Any] = {}
        try:
            for name, coerce, default in declared:
                value = coerce(given[name]) if name in given else default({})
                if value is not _LEFT_OUT:
                    variables[name] = value
            return [read(variables) for read in arguments]
        except Exception:  # noqa: BLE001 - scalars may raise anything
            return None

    return prepare


def compile_arguments(field: Any, node: FieldNode) -> ReadArguments:
    """The function that makes the arguments of the field's resolver."""
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    reads: dict[str, Read] = {}
    for name, argument in field.args.items():
        definition = definition_of(argument)
        if _has_default(argument) or definition.is_maybe:
            raise NotCovered
        if name in given:
            reads[definition.python_name] = _literal(given[name], argument.type)
    return _read_all(reads)


def _has_default(declared: Any) -> bool:
    """Whether an argument, or a member of an input object, has a default that the schema shows. Strawberry gives it in
    the older of graphql-core's two forms."""
    return declared.default_value is not Undefined


def no_arguments(_variables: Variables) -> Arguments:
    return {}


def _read_all(reads: Mapping[str, Read]) -> Callable[[Variables], dict[str, Any]]:
    def read_all(variables: Variables) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, read in reads.items():
            value = read(variables)
            if value is not _LEFT_OUT:
                found[name] = value
        return found

    return read_all


def _no_default(declared: Any) -> Read:
    def left_out(_variables: Variables) -> Any:
        if isinstance(declared, GraphQLNonNull):
            raise NotCovered
        return _LEFT_OUT

    return left_out


def _coercion(declared: Any) -> Coerce:
    """The function that coerces a value of this type, which is a scalar, or an object or a list of these."""
    kind = nullable(declared)
    if isinstance(kind, GraphQLInputObjectType):
        coerce = _InputObject(kind).coerce
    elif isinstance(kind, GraphQLList):
        coerce = _list_of(_coercion(cast("Any", kind).of_type))
    elif isinstance(kind, GraphQLScalarType):
        coerce = kind.coerce_input_value
    else:
        raise NotCovered

    def coerce_optional(value: Any) -> Any:
        return None if value is None else coerce(value)

    def coerce_required(value: Any) -> Any:
        if value is None:
            raise NotCovered
        return coerce(value)

    return coerce_optional if kind is declared else coerce_required


def _list_of(coerce_item: Coerce) -> Coerce:
    """Only for lists: graphql-core also takes a single item for a list of it."""

    def coerce(value: Any) -> Any:
        if not isinstance(value, list):
            raise NotCovered
        return [coerce_item(item) for item in cast("list[Any]", value)]

    return coerce


def _literal(node: ValueNode, declared: Any) -> Read:
    """The function that makes the value of a literal, or of a variable in its place."""
    if isinstance(node, VariableNode):
        return _variable(node.name.value, required=isinstance(declared, GraphQLNonNull))
    kind = nullable(declared)
    if isinstance(node, ObjectValueNode) and isinstance(kind, GraphQLInputObjectType):
        target = _InputObject(kind)
        read = _read_all({part.name.value: _literal(part.value, target.types[part.name.value]) for part in node.fields})
        return lambda variables: target.make(read(variables))
    value = _coerce_literal(node, declared)
    is_scalar = isinstance(kind, GraphQLScalarType) and not isinstance(node, ObjectValueNode | ListValueNode)
    if value is Undefined or not is_scalar:
        raise NotCovered
    return lambda _variables: value


def _variable(name: str, *, required: bool) -> Read:
    def read(variables: Variables) -> Any:
        if variables[name] is None:
            raise NotCovered
        return variables[name]

    return read if required else lambda variables: variables.get(name, _LEFT_OUT)


class _InputObject:
    """Makes objects of a Strawberry input type as Strawberry does: the class, called with its members. These are
    scalars and lists of them, without defaults that the schema shows."""

    def __init__(self, kind: GraphQLInputObjectType) -> None:
        definition = definition_of(kind)
        members = {name: definition_of(member) for name, member in kind.fields.items()}
        self.types: dict[str, Any] = {name: member.type for name, member in kind.fields.items()}
        if (
            definition.from_input is not None
            or definition.is_one_of
            or any(_has_default(member) for member in kind.fields.values())
            or any(isinstance(nullable(declared), GraphQLInputObjectType) for declared in self.types.values())
            or any(isinstance(member.type, StrawberryMaybe) for member in members.values())
        ):
            raise NotCovered
        self._origin: Callable[..., Any] = definition.origin
        self._names = {name: member.python_name for name, member in members.items()}
        self._coercions = {name: _coercion(declared) for name, declared in self.types.items()}
        self._required = {name for name, declared in self.types.items() if isinstance(declared, GraphQLNonNull)}
        self._nulls = {
            member.python_name: None
            for member in members.values()
            if member.default_value is MISSING and member.default_factory is MISSING
        }

    def make(self, members: Mapping[str, Any]) -> Any:
        """An object of these members, which are coerced and have their names in the schema."""
        given = {self._names[name]: value for name, value in members.items()}
        return self._origin(**(self._nulls | given))

    def coerce(self, value: Any) -> Any:
        """An object of a value as JSON has it. A member that the type does not have is a KeyError."""
        if not self._required <= value.keys():
            raise NotCovered
        return self.make({name: self._coercions[name](member) for name, member in value.items()})
