"""Objects that are read from tables of plain values, such as a TOML document, and all problems of a table at once.

    class Account(Table):
        url: Annotated[str, read_url]
        field: str = "id"

    read_table(Account, {"url": "https://acme.example/me"}, context)

The annotation of a field names the function that reads its value, unless the class knows one for the type, or the type
is itself a Table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeVar, Union, cast, get_args, get_origin

import msgspec

T = TypeVar("T", bound="Table")

Read = Callable[[object, Any], Any]
"""Returns the value that is kept. Its arguments are the value in the table, and the context of `read_table`. It raises
ValueError, such as Invalid, or Problems for a value with several parts."""

MISSING: Final = "is missing"
NOT_A_KEY: Final = None
"""Annotates a field that no table has, in place of the function that reads its value."""
UNKNOWN: Final = "is not a key of this table"


class Invalid(ValueError):
    """A value that is not what its key requires. The message says what it must be, and never quotes it."""


class Problem(msgspec.Struct, frozen=True):
    """`path` leads from the table to the value, by keys and positions."""

    path: tuple[str | int, ...]
    message: str


class Problems(Invalid):
    """All problems of a value with several parts, such as a table."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{'.'.join(map(str, each.path))}: {each.message}" for each in self.problems))


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What a table says. Fields with a default may be left out of it."""

    @classmethod
    def reader_of(cls, annotation: Any) -> Read | None:  # noqa: ARG003 - for subclasses
        """How a value is read if its field names no function. None for a field that is not a key of the table."""
        return None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:  # noqa: ARG003
        """Keys that don't go together with others, and why not. `given` has the valid values of the table, and `known`
        also the defaults: a key that depends on an invalid one is not at fault."""
        return iter(())


class _Key(msgspec.Struct, frozen=True):
    """`default` is NODEFAULT for a key that must be in the table."""

    read: Read
    default: Any


def keys(kind: type[Table]) -> list[str]:
    """The keys that a table of this kind may have."""
    return list(_keys(kind))


def readers(kind: type[Table]) -> dict[str, Read]:
    """The function that reads the value of each key."""
    return {name: key.read for name, key in _keys(kind).items()}


def defaults(kind: type[Table]) -> dict[str, Any]:
    """The values of the keys that may be left out."""
    return {name: key.default for name, key in _keys(kind).items() if key.default is not msgspec.NODEFAULT}


def read_table(kind: type[T], table: object, context: Any = None) -> T:
    """Raises Invalid if `table` is none, and Problems for what is wrong in it."""
    if not isinstance(table, Mapping):
        raise Invalid("must be a table")
    values = cast("Mapping[str, Any]", table)
    given: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, key in _keys(kind).items():
        if name in values:
            problems += attempt(given, name, key.read, values[name], context)
        elif key.default is msgspec.NODEFAULT:
            problems.append(Problem((name,), MISSING))
    known = {name: value for name, value in defaults(kind).items() if name not in values} | given
    problems += (Problem((name,), why) for name, why in kind.conflicts(given, known))
    problems += (Problem((name,), UNKNOWN) for name in values if name not in _keys(kind))
    if problems:
        raise Problems(problems)
    return kind(**given)


def attempt(found: dict[Any, Any], key: str | int, read: Read, value: object, context: Any) -> list[Problem]:
    """Read the part `key` of a value into `found`. Returns its problems."""
    try:
        found[key] = read(value, context)
    except Problems as inner:
        return [Problem((key, *each.path), each.message) for each in inner.problems]
    except ValueError as fault:
        return [Problem((key,), str(fault))]
    return []


# One for each class.
@cache
def _keys(kind: type[Table]) -> dict[str, _Key]:
    fields = msgspec.structs.fields(kind)
    readers = {field.name: (_reader(kind, field.type), field.default) for field in fields}
    return {name: _Key(read, default) for name, (read, default) in readers.items() if read is not None}


def _reader(kind: type[Table], annotation: Any) -> Read | None:
    if get_origin(annotation) in (Union, UnionType):
        # `X | None`: no table has a value for None, so that its key is left out.
        (annotation,) = (part for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is Annotated:
        return annotation.__metadata__[0]
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return partial(read_table, annotation)
    return kind.reader_of(annotation)
