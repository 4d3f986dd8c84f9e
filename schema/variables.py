"""The variables that an operation declares, and what is wrong with those of a request.

graphql-core's own messages quote the whole value, codes and states included.
"""

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
    ValueNode,
    is_required_input_field,
    utilities,
)
from msgspec import Struct

_DESCRIPTIONS: Final = {
    "String": "a string",
    "ID": "a string",
    "Int": "an integer",
    "Float": "a number",
    "Boolean": "a boolean",
}

# graphql-core does not say what is inside lists and non-nulls, so types are Any here.
_type_from_ast: Callable[[GraphQLSchema, TypeNode], Any] = cast("Any", utilities).type_from_ast
_coerce: Callable[[Any, Any], Any] = cast("Any", utilities).coerce_input_value


class Variable(Struct, frozen=True):
    """A variable as an operation declares it. `default` is None if it has none."""

    name: str
    type: Any
    default: ValueNode | None


def declared_variables(schema: GraphQLSchema, operation: OperationDefinitionNode) -> Iterator[Variable]:
    for node in operation.variable_definitions or ():
        yield Variable(node.variable.name.value, _type_from_ast(schema, node.type), node.default_value)


def nullable(declared: Any) -> Any:
    """The type without the non-null around it, if there is one."""
    return cast("Any", declared).of_type if isinstance(declared, GraphQLNonNull) else declared


def members(schema: GraphQLSchema, operation: OperationDefinitionNode) -> frozenset[str]:
    """The names of what a flat body or query can give: the operation's variables, and for an input object its
    fields."""
    names: set[str] = set()
    for variable in declared_variables(schema, operation):
        kind = nullable(variable.type)
        names |= set(kind.fields) if isinstance(kind, GraphQLInputObjectType) else {variable.name}
    return frozenset(names)


def complaints(schema: GraphQLSchema, operation: OperationDefinitionNode, given: Mapping[str, Any]) -> Iterator[str]:
    """One sentence for each variable, or member of it, that is not what the operation declares.

    A member of an input object is called by its own name, as in a REST body.
    """
    for variable in declared_variables(schema, operation):
        value = given.get(variable.name, Undefined)
        if value is not Undefined or variable.default is None:
            yield from _complaints(variable.type, value, variable.name)


def _complaints(declared: Any, value: Any, name: str) -> Iterator[str]:
    kind = nullable(declared)
    if value is Undefined or value is None:
        if isinstance(declared, GraphQLNonNull):
            yield f"{name} is required."
    elif isinstance(kind, GraphQLInputObjectType):
        yield from _member_complaints(kind, value, name)
    elif not _is_valid(kind, value):
        yield f"{name} must be {_DESCRIPTIONS.get(str(kind), f'a valid {kind}')}."


def _member_complaints(kind: GraphQLInputObjectType, value: Any, name: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{name} must be an object."
        return
    given = cast("dict[str, Any]", value)
    for member, field in kind.fields.items():
        if member in given or is_required_input_field(field):
            yield from _complaints(field.type, given.get(member, Undefined), member)
    if given.keys() - kind.fields.keys():
        yield f"{name} has a member that {kind.name} does not have."


def _is_valid(kind: Any, value: Any) -> bool:
    try:
        return _coerce(value, kind) is not Undefined
    except Exception:  # noqa: BLE001 - scalars may raise anything, and so do types that are not input types
        return False
