"""What resolvers gave, made ready for JSON: GraphQL's value completion (6.4.3), compiled for each place in a document.

A function takes the value, the run and where it stands, and returns what JSON takes. It raises what went wrong; the
nearest place that may be null turns that into null and an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from graphql import (
    FieldNode,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLError,
    GraphQLID,
    GraphQLScalarType,
    GraphQLString,
    Undefined,
)
from graphql.error import located_error
from graphql.pyutils import is_iterable  # pyright: ignore[reportUnknownVariableType]

from schema.plans.fields import Here, defined

Path = tuple[Any, Any] | None
"""Where a value stands: the place around it, and its name or index there."""

_AS_IT_IS: Final = {GraphQLString.name: str, GraphQLID.name: str, GraphQLBoolean.name: bool}


@dataclass(slots=True)
class Run:
    """One run of a plan: what its fields may know of the request, and the errors so far."""

    here: Here
    errors: list[GraphQLError] = field(default_factory=list[GraphQLError])

    def failed(self, fault: Exception, place: Place, path: Path) -> None:
        """The place becomes null, or what is around it fails, too."""
        error = located_error(fault, place.nodes, _names(path))
        if not place.nullable:
            raise error
        self.errors.append(error)


@dataclass(frozen=True, slots=True)
class Place:
    """A field, or the items of its list: `name` is for errors, `nodes` say where the document asks for it."""

    name: str
    nodes: Sequence[FieldNode]
    nullable: bool


Complete = Callable[[Any, Run, Path], Any]


def _names(path: Path) -> list[Any]:
    names: list[Any] = []
    while path is not None:
        path, name = path
        names.append(name)
    return names[::-1]


def guarded(complete: Complete, place: Place) -> Complete:
    """Null where it may be, and exceptions that are given instead of raised."""
    name, may_be_null = place.name, place.nullable

    def guard(value: Any, run: Run, path: Path) -> Any:
        if value is None or value is Undefined:
            if may_be_null:
                return None
            message = f"Cannot return null for non-nullable field {name}."
            raise TypeError(message)
        if isinstance(value, Exception):
            raise value
        return complete(value, run, path)

    return guard


def leaf(kind: GraphQLScalarType | GraphQLEnumType, place: Place) -> Complete:
    """Keeps nothing of the document, so that documents can have it in common."""
    coerce, name = kind.coerce_output_value, place.name

    def coerced(value: Any, _run: Run, _path: Path) -> Any:
        shown = coerce(value)
        if shown is None or shown is Undefined:
            message = f"{name} has a value that {kind} does not."
            raise TypeError(message)
        return shown

    complete = guarded(coerced, place)
    if isinstance(kind, GraphQLEnumType):
        return _member(kind, complete)
    plain = _AS_IT_IS.get(kind.name)
    if plain is None:
        return complete
    return lambda value, run, path: value if type(value) is plain else complete(value, run, path)


def _member(kind: GraphQLEnumType, complete: Complete) -> Complete:
    members = defined(kind).wrapped_cls
    # By value, because members are slow to hash.
    names: dict[Any, str] = {member.value: kind.coerce_output_value(member) for member in members}
    return lambda value, run, path: names[value.value] if type(value) is members else complete(value, run, path)


def listed(complete: Complete, place: Place, item: Place) -> Complete:
    def each(values: Any, run: Run, path: Path) -> list[Any]:
        if not is_iterable(values):
            message = f"Expected Iterable, but did not find one for field '{place.name}'."
            raise GraphQLError(message)
        done: list[Any] = []
        for index, value in enumerate(cast("Iterable[Any]", values)):
            try:
                done.append(complete(value, run, (path, index)))
            except Exception as fault:  # noqa: BLE001 - whatever a resolver raises
                done.append(run.failed(fault, item, (path, index)))
        return done

    return guarded(each, place)


def fielded(fields: Sequence[tuple[str, Complete, Place]], place: Place) -> Complete:
    def each(source: Any, run: Run, path: Path) -> dict[str, Any]:
        done: dict[str, Any] = {}
        for key, step, its in fields:
            try:
                done[key] = step(source, run, path)
            except Exception as fault:  # noqa: BLE001 - whatever a resolver raises
                done[key] = run.failed(fault, its, (path, key))
        return done

    return guarded(each, place)
