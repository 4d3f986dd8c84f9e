"""Input objects, made as Strawberry makes them: the class, called with its members."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any

from graphql import GraphQLInputObjectType, GraphQLNonNull, GraphQLScalarType
from strawberry.types.base import StrawberryMaybe

from schema.plans.fields import NotCovered, defined, nullable


class Doubt(Exception):
    """Perhaps not valid."""


def scalar(declared: Any) -> Callable[[Any], Any]:
    """What takes a value of a scalar type, or raises whatever it likes. Lists and objects in objects are left out."""
    kind = nullable(declared)
    if not isinstance(kind, GraphQLScalarType):
        raise NotCovered
    return optional(kind.coerce_input_value) if kind is declared else present(kind.coerce_input_value)


def optional(coerce: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else coerce(value)


def present(coerce: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def coerced(value: Any) -> Any:
        if value is None:
            raise Doubt
        return coerce(value)

    return coerced


class InputObject:
    """One whose members are scalars, without defaults that the schema shows."""

    def __init__(self, kind: GraphQLInputObjectType) -> None:
        definition = defined(kind)
        members = {name: defined(member) for name, member in kind.fields.items()}
        self.kinds: dict[str, Any] = {name: member.type for name, member in kind.fields.items()}
        if (
            definition.from_input is not None
            or definition.is_one_of
            or any(member.default is not None for member in kind.fields.values())
            or any(isinstance(member.type, StrawberryMaybe) for member in members.values())
        ):
            raise NotCovered
        self._origin: Callable[..., Any] = definition.origin
        self._names = {name: member.python_name for name, member in members.items()}
        self._coercions = {name: scalar(kind) for name, kind in self.kinds.items()}
        self._required = {name for name, kind in self.kinds.items() if isinstance(kind, GraphQLNonNull)}
        self._blank = {
            member.python_name: None
            for member in members.values()
            if member.default_value is MISSING and member.default_factory is MISSING
        }

    def made(self, members: Mapping[str, Any]) -> Any:
        """Of members that are coerced, by their names in the schema."""
        given = {self._names[name]: value for name, value in members.items()}
        return self._origin(**(self._blank | given))

    def coerced(self, value: Any) -> Any:
        """Of a value as JSON has it. A member that the object does not have is a KeyError."""
        if not self._required <= value.keys():
            raise Doubt
        return self.made({name: self._coercions[name](member) for name, member in value.items()})
