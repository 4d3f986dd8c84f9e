"""The Python function that resolves a field. Strawberry keeps it beside graphql-core's field."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, cast

from msgspec import Struct
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from resolvers.context import Context


class NotCovered(Exception):
    """Plans don't cover this operation, or these variables. graphql-core's executor does."""


class Info(Struct, frozen=True):
    """The `info` of a resolver. The type of that name in `schema/info.py` promises no more than the context. `selected`
    are the names of the fields that are selected of the root field's value."""

    context: Context
    selected: frozenset[str] = frozenset()


class Resolver(Struct, frozen=True):
    """`call` takes the object that has the field, then `info` and arguments by name."""

    call: Callable[..., Any]
    takes_info: bool
    is_async: bool


def definition_of(thing: Any) -> Any:
    """Strawberry's definition of a type, field or argument of the schema. Introspection has none."""
    try:
        return thing.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
    except KeyError:
        raise NotCovered from None


def resolver_of(field: Any) -> Resolver:
    """The resolver of graphql-core's `field`, if it is an attribute of the object or a function that takes the object,
    and neither extensions nor permission classes of Strawberry wrap it."""
    definition: StrawberryField = definition_of(field)
    if definition.extensions or definition.default_resolver is not getattr:
        raise NotCovered
    base = cast("Any", definition).base_resolver
    if base is None:
        return Resolver(attrgetter(definition.python_name), takes_info=False, is_async=False)
    info = base.info_parameter
    if not _takes_the_object_first(base) or (info is not None and info.name != "info"):
        raise NotCovered
    return Resolver(base.wrapped_func, takes_info=info is not None, is_async=definition.is_async)


def _takes_the_object_first(base: Any) -> bool:
    """As `self`, or as a parameter that is annotated as Strawberry's `Parent`."""
    first = next(iter(base.signature.parameters), None)
    named = [one.name for one in (base.self_parameter, base.root_parameter, base.parent_parameter) if one]
    return named == [first] and base.root_parameter is None
