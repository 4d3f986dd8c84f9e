"""Saying what is wrong with variables. graphql-core's own messages quote the whole value, codes and states included."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from graphql import (
    GraphQLInputObjectType,
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeNode,
    Undefined,
    utilities,
)

_KINDS: Final = {
    "String": "a string",
    "ID": "a string",
    "Int": "an integer",
    "Float": "a number",
    "Boolean": "a boolean",
}


# graphql-core leaves the types inside lists and non-nulls open, so they are Any here.
_type_from_ast: Callable[[GraphQLSchema, TypeNode], Any] = cast("Any", utilities).type_from_ast
_coerce: Callable[[Any, Any], Any] = cast("Any", utilities).coerce_input_value


def complaints(
    schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> Iterator[str]:
    """One sentence for each variable, or member of it, that is not what the operation declares.

    A member of an input object goes by its own name, as it does in a REST body.
    """
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        value = variables.get(name, Undefined)
        if value is Undefined and definition.default_value is not None:
            continue
        yield from _complaints(_type_from_ast(schema, definition.type), value, name)


def members(schema: GraphQLSchema, operation: OperationDefinitionNode) -> frozenset[str]:
    """The names that a flat body or query can give: the operation's variables, an input object by its fields."""
    names: set[str] = set()
    for definition in operation.variable_definitions or ():
        kind = _nullable(_type_from_ast(schema, definition.type))
        names |= set(kind.fields) if isinstance(kind, GraphQLInputObjectType) else {definition.variable.name.value}
    return frozenset(names)


def _complaints(declared: Any, value: Any, name: str) -> Iterator[str]:
    kind = _nullable(declared)
    if value is Undefined or value is None:
        if isinstance(declared, GraphQLNonNull):
            yield f"{name} is required."
    elif isinstance(kind, GraphQLInputObjectType):
        yield from _members(kind, value, name)
    elif not _is_of(kind, value):
        yield f"{name} must be {_KINDS.get(str(kind), f'a valid {kind}')}."


def _nullable(kind: Any) -> Any:
    return cast("Any", kind).of_type if isinstance(kind, GraphQLNonNull) else kind


def _members(kind: GraphQLInputObjectType, value: Any, name: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{name} must be an object."
        return
    members = cast("dict[str, Any]", value)
    for member, field in kind.fields.items():
        given = members.get(member, Undefined)
        if given is Undefined and field.default is not None:
            continue
        yield from _complaints(field.type, given, member)
    if members.keys() - kind.fields.keys():
        yield f"{name} has a member that {kind.name} does not have."


def _is_of(kind: Any, value: Any) -> bool:
    try:
        return _coerce(value, kind) is not Undefined
    except Exception:  # noqa: BLE001 - a scalar says no by raising whatever it likes, and so does what is no input type
        return False
