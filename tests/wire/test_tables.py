"""What is read from a table, and what is said of one that can't be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import pytest

from wire.tables import Invalid, Problem, Problems, Read, Table, attempt, defaults, keys, read_table


def _read_number(value: object, context: Any) -> int:
    if not isinstance(value, int):
        raise Invalid("must be a number")
    return value * (context or 1)


def _read_text(value: object, _context: object) -> str:
    if not isinstance(value, str):
        raise Invalid("must be a text")
    return value


def _read_list(value: object, context: object) -> tuple[int, ...]:
    found: dict[int, int] = {}
    assert isinstance(value, list)
    items: list[object] = value
    problems = [each for at, item in enumerate(items) for each in attempt(found, at, _read_number, item, context)]
    if problems:
        raise Problems(problems)
    return tuple(found.values())


class Texts(Table, frozen=True, kw_only=True):
    @classmethod
    def reader_of(cls, annotation: Any) -> Read | None:
        return {str: _read_text}.get(annotation)


class Inner(Texts, frozen=True, kw_only=True):
    name: str


class Outer(Texts, frozen=True, kw_only=True):
    size: Annotated[int, _read_number]
    least: Annotated[int, _read_number] = 1
    name: str | None = None
    inner: Inner | None = None
    sizes: Annotated[tuple[int, ...], _read_list] = ()
    # No key of the table.
    seen: bytes = b""

    @classmethod
    def conflicts(cls, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if "size" in given and "least" in known and given["size"] < known["least"]:
            yield "size", "is less than the least"


def problems(table: object, context: object = None) -> list[tuple[str, str]]:
    with pytest.raises(Problems) as raised:
        read_table(Outer, table, context)
    return [(".".join(map(str, each.path)), each.message) for each in raised.value.problems]


def test_each_value_is_read_by_its_function() -> None:
    table = {"size": 7, "name": "a", "inner": {"name": "b"}, "sizes": [1, 2]}
    assert read_table(Outer, table) == Outer(size=7, name="a", inner=Inner(name="b"), sizes=(1, 2))


def test_functions_get_the_context() -> None:
    assert read_table(Outer, {"size": 7, "sizes": [1, 2]}, 10) == Outer(size=70, sizes=(10, 20))


def test_keys_and_their_defaults() -> None:
    assert keys(Outer) == ["size", "least", "name", "inner", "sizes"]
    assert defaults(Outer) == {"least": 1, "name": None, "inner": None, "sizes": ()}
    assert read_table(Outer, {"size": 1}) == Outer(size=1)


def test_all_problems_are_reported_with_their_place() -> None:
    table = {"least": "x", "name": 7, "inner": {"nam": "b"}, "sizes": [1, "x", None], "seen": b"x"}
    assert problems(table) == [
        ("size", "is missing"),
        ("least", "must be a number"),
        ("name", "must be a text"),
        ("inner.name", "is missing"),
        ("inner.nam", "is not a key of this table"),
        ("sizes.1", "must be a number"),
        ("sizes.2", "must be a number"),
        ("seen", "is not a key of this table"),
    ]


def test_keys_that_do_not_go_together() -> None:
    assert problems({"size": 0}) == [("size", "is less than the least")]
    assert problems({"size": 2, "least": 3, "more": 1}) == [
        ("size", "is less than the least"),
        ("more", "is not a key of this table"),
    ]


def test_a_key_that_depends_on_an_invalid_one_is_not_at_fault() -> None:
    assert problems({"size": 0, "least": "x"}) == [("least", "must be a number")]


@pytest.mark.parametrize("table", ["x", 1, None, [], ["size"]])
def test_what_is_not_a_table(table: object) -> None:
    with pytest.raises(Invalid, match=r"^must be a table$"):
        read_table(Outer, table)
    assert problems({"size": 1, "inner": table}) == [("inner", "must be a table")]


def test_nothing_of_a_table_can_be_changed() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        setattr(Outer(size=1), "size", 2)  # noqa: B010 - which pyright refuses otherwise


def test_the_message_of_several_problems() -> None:
    assert (
        str(Problems([Problem(("a", 0), "is missing"), Problem(("b",), "must be 1")]))
        == "a.0: is missing\nb: must be 1"
    )
