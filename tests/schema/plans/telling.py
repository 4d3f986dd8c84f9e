"""What a resolver returns or raises, as the document asks: `raises text` makes the fields `text` raise."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from graphql import GraphQLError, Undefined

from resolvers.errors import Forbidden

NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)

# What a field returns beside its usual value: "odd" is of another type, yet has a form in JSON.
ODD: Final[dict[str, Any]] = {
    "text": 5,
    "number": 7.0,
    "ratio": 3,
    "flag": 1,
    "key": 5,
    "colour": "green value",
    "at": NOW.isoformat(),
}


def tell(says: str, name: str, usual: Any) -> Any:
    """The usual value, or what is asked of this field, or of all."""
    asked, _, whose = says.partition(" ")
    if whose not in ("", name):
        return usual
    match asked:
        case "raises":
            raise ValueError(f"{name} raises")
        case "refuses":
            raise GraphQLError(f"{name} refuses")
        case "forbids":
            raise Forbidden
        case "returns":
            return ValueError(f"{name} returns an exception")
        case _:
            others = {
                "null": None,
                "undefined": Undefined,
                "wrong": object(),
                "big": 2**40,
                "odd": ODD.get(name, usual),
            }
            return others.get(asked, usual)


SAYS: Final = ["", "null", "undefined", "raises", "refuses", "forbids", "returns", "wrong", "big", "odd"]
"""What `tell` understands."""

SAYS_OF_LISTS: Final = [
    *("tuple", "generator", "breaks", "text", "empty"),
    *(f"item-{says}" for says in SAYS if says),
]
"""What `tell_list` understands besides."""


def tell_list(says: str, name: str, usual: list[Any]) -> Any:
    """As `tell`, for the list itself. `item-` is about the second of its items."""
    asked, _, whose = says.partition(" ")
    if whose in ("", name) and asked.startswith("item-"):
        return [usual[0], tell(asked.removeprefix("item-"), "", usual[1]) if "raises" not in asked else _Raising()]
    if whose in ("", name) and asked in ("tuple", "generator", "breaks", "text", "empty"):
        forms = {"tuple": tuple(usual), "generator": iter(usual), "breaks": _breaks(usual), "text": "ab", "empty": []}
        return forms[asked]
    return tell(says, name, usual)


class _Raising:
    """Has no form in JSON, and raises when it is asked for one."""

    def __str__(self) -> str:
        raise ValueError("the item raises")


def _breaks(usual: list[Any]) -> Iterator[Any]:
    yield usual[0]
    raise ValueError("the iterator raises")
