"""The functions that resolve fields and complete their values (GraphQL 6.4.3): bring them into the form that JSON
takes.

Such a function raises what went wrong. The nearest position that may be null turns that into null and an error.

Scalars and enums for which a resolver needs nothing but the object are read of many objects at once, by functions of C.
If anything is wrong with one of them, all are read again, one after the other, to tell which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from types import NoneType
from typing import Any, Final, cast

from graphql import (
    FieldNode,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLError,
    GraphQLID,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLString,
    Undefined,
)
from graphql.error import located_error
from graphql.pyutils import is_iterable  # pyright: ignore[reportUnknownVariableType]
from msgspec import Struct

from schema.plans.fields import Info, Resolver, definition_of

Path = tuple[Any, Any] | None
"""Where a value is in the response: the path of what contains it, and its key or index there."""

Complete = Callable[[Any, "Run", Path], Any]
"""Takes a value, or the object whose field to resolve, and returns what JSON takes."""

Column = Callable[[Sequence[Any]], Iterable[Any]]
"""Takes objects, and returns what JSON takes for one of their fields. Raises if anything is wrong with one of them."""

# Values of these classes are their own JSON. A DateTime that is text was written by the database.
_JSON_CLASSES: Final = {GraphQLString.name: str, GraphQLID.name: str, GraphQLBoolean.name: bool, "DateTime": str}
_NO_OBJECTS: Final = (NoneType, type(Undefined), Exception)


class Position(Struct, frozen=True):
    """A field, or the items of its list. Errors show `name`, and the places of `nodes` in the document."""

    name: str
    nodes: Sequence[FieldNode]
    nullable: bool


class Run(Struct):
    """One run of a root field: what resolvers may know of the request, and the errors of the operation so far."""

    info: Info
    errors: list[GraphQLError]

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


class Leaf(Struct, frozen=True):
    """Completes values of a scalar or an enum, and raises what is wrong with one. It refers to nothing of a document,
    so that documents can share it."""

    one: Callable[[Any], Any]
    many: Callable[[list[Any]], list[Any]]


class Field(Struct, frozen=True):
    """A field that is selected, `key` in the response. `column` reads it of many objects at once, where that is
    possible."""

    key: str
    position: Position
    resolve: Complete
    column: Column | None = None


class Objects:
    """Completes objects of one type with the fields that are selected."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields
        self._keys = [field.key for field in fields]
        self._columns: list[Column] = [field.column or _nulls for field in fields]
        self.others = [field for field in fields if field.column is None]
        """The fields that `read` leaves null."""

    def read(self, sources: Sequence[Any]) -> list[dict[str, Any]] | None:
        """What can be read at once. None if anything is wrong with it."""
        if len(self.others) == len(self._fields):
            return None
        try:
            rows = zip(*[column(sources) for column in self._columns], strict=False)
        except Exception:  # noqa: BLE001 - resolvers may raise anything, and do so again
            return None
        return [*map(dict, map(zip, repeat(self._keys), rows))]

    def complete(self, source: Any, run: Run, path: Path) -> dict[str, Any]:
        found = self.read((source,))
        if found is None:
            return _resolve({}, self._fields, source, run, path)
        return self.add_others(found[0], source, run, path)

    def add_others(self, data: dict[str, Any], source: Any, run: Run, path: Path) -> dict[str, Any]:
        """To what `read` has returned."""
        return _resolve(data, self.others, source, run, path) if self.others else data


def _resolve(data: dict[str, Any], fields: Sequence[Field], source: Any, run: Run, path: Path) -> dict[str, Any]:
    for field in fields:
        try:
            data[field.key] = field.resolve(source, run, path)
        except Exception as fault:  # noqa: BLE001 - resolvers may raise anything
            data[field.key] = run.fail(fault, field.position, (path, field.key))
    return data


def _nulls(_sources: Sequence[Any]) -> Iterable[None]:
    return repeat(None)


def compile_leaf(kind: GraphQLScalarType | GraphQLEnumType, position: Position) -> Leaf:
    serialize, name = kind.coerce_output_value, position.name

    def serialize_any(value: Any) -> Any:
        serialized = serialize(value)
        if serialized is None or serialized is Undefined:
            raise TypeError(f"{name} has a value that {kind} does not.")
        return serialized

    one = guarded(serialize_any, position)
    if isinstance(kind, GraphQLEnumType):
        return Leaf(one, _members(kind, one, may_be_null=position.nullable))
    json_class = _JSON_CLASSES.get(kind.name)
    if json_class is None:
        return Leaf(one, lambda values: [*map(one, values)])
    return Leaf(one, _of_classes({json_class, NoneType} if position.nullable else {json_class}, one))


def _members(kind: GraphQLEnumType, one: Callable[[Any], Any], *, may_be_null: bool) -> Callable[[list[Any]], Any]:
    names: dict[Any, str | None] = {}
    for member in definition_of(kind).wrapped_cls:
        names[member] = names[member.value] = kind.coerce_output_value(member)
    names.pop(None, None)
    if may_be_null:
        names[None] = None

    def many(values: list[Any]) -> list[Any]:
        try:
            return [*map(names.__getitem__, values)]
        except (KeyError, TypeError):
            return [*map(one, values)]

    return many


def _of_classes(classes: set[type], one: Callable[[Any], Any]) -> Callable[[list[Any]], Any]:
    def many(values: list[Any]) -> list[Any]:
        return values if classes.issuperset(map(type, values)) else [*map(one, values)]

    return many


def leaf_resolution(resolver: Resolver, leaf: Leaf) -> tuple[Complete, Column | None]:
    """The functions that resolve a field of one object, and of many."""
    resolve, one, many = resolver.call, leaf.one, leaf.many
    if resolver.takes_info:
        return (lambda source, run, _path: one(resolve(source, info=run.info))), None
    return (lambda source, _run, _path: one(resolve(source))), (lambda sources: many([*map(resolve, sources)]))


def resolution(resolver: Resolver, complete: Complete) -> Complete:
    """Resolves the field of an object, and completes its value."""
    resolve = resolver.call
    if resolver.takes_info:
        return lambda source, run, path: complete(resolve(source, info=run.info), run, path)
    return lambda source, run, path: complete(resolve(source), run, path)


def at(key: str, complete: Complete) -> Complete:
    return lambda value, run, path: complete(value, run, (path, key))


def typename(kind: GraphQLObjectType) -> Complete:
    return lambda _source, _run, _path: kind.name


def list_completion(complete_item: Complete, position: Position, item: Position, objects: Objects | None) -> Complete:
    """`objects` is what completes the items, if they are objects."""

    def complete(values: Any, run: Run, path: Path) -> list[Any]:
        if not is_iterable(values):
            raise GraphQLError(f"Expected Iterable, but did not find one for field '{position.name}'.")
        found = objects.read(cast("list[Any]", values)) if objects and _is_list_of_objects(values) else None
        if found is not None and objects and not objects.others:
            return found
        data: list[Any] = []
        for index, value in enumerate(cast("Iterable[Any]", values)):
            try:
                if objects and found is not None:
                    data.append(objects.add_others(found[index], value, run, (path, index)))
                else:
                    data.append(complete_item(value, run, (path, index)))
            except Exception as fault:  # noqa: BLE001 - resolvers may raise anything
                data.append(run.fail(fault, item, (path, index)))
        return data

    return guarded(complete, position)


def _is_list_of_objects(values: Any) -> bool:
    """Not of nulls or exceptions."""
    return type(values) is list and not any(
        issubclass(kind, _NO_OBJECTS) for kind in {*map(type, cast("list[Any]", values))}
    )


def guarded(complete: Callable[..., Any], position: Position) -> Callable[..., Any]:
    """Null where it may be, and raises exceptions that were returned."""
    name, may_be_null = position.name, position.nullable

    def complete_guarded(value: Any, *where: Any) -> Any:
        if value is None or value is Undefined:
            if may_be_null:
                return None
            raise TypeError(f"Cannot return null for non-nullable field {name}.")
        if isinstance(value, Exception):
            raise value
        return complete(value, *where)

    return complete_guarded
