"""Which Python function gives a field's value. Strawberry keeps it beside graphql-core's field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, cast

from graphql import GraphQLNonNull
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from resolvers.context import Context


class NotCovered(Exception):
    """The operation has something that plans don't do. graphql-core's executor runs it."""


@dataclass(frozen=True, slots=True)
class Here:
    """The `info` of a resolver. The type of that name in `schema/types.py` promises no more."""

    context: Context


@dataclass(frozen=True, slots=True)
class Resolver:
    """`call` takes the object that the field stands on, then `info` and arguments by name."""

    call: Callable[..., Any]
    takes_info: bool
    is_async: bool


def defined(thing: Any) -> Any:
    """Strawberry's definition of a type, field or argument of the schema. Introspection has none."""
    try:
        return thing.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
    except KeyError:
        raise NotCovered from None


def nullable(declared: Any) -> Any:
    return cast("Any", declared).of_type if isinstance(declared, GraphQLNonNull) else declared


def resolver_of(field: StrawberryField) -> Resolver:
    """Methods of the type and plain attributes. Strawberry's extensions and permission classes wrap what runs."""
    if field.extensions or field.default_resolver is not getattr:
        raise NotCovered
    base = cast("Any", field).base_resolver
    if base is None:
        return Resolver(attrgetter(field.python_name), takes_info=False, is_async=False)
    info = base.info_parameter
    usual = base.self_parameter and not base.root_parameter and not base.parent_parameter
    if not usual or (info is not None and info.name != "info"):
        raise NotCovered
    return Resolver(base.wrapped_func, takes_info=info is not None, is_async=field.is_async)
