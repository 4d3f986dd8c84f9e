"""A schema with the shapes that plans cover and that Tendon's own schema lacks: values of every type, nullable and not,
in objects and in lists of objects and of lists, from synchronous and asynchronous resolvers, and arguments of every
scalar.

What a resolver does is up to the document: an argument such as `raises text` makes the fields `text` of an item, and of
the items below it, raise.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final, NewType

import strawberry
from graphql import Undefined
from strawberry.schema.config import StrawberryConfig

from schema.scalars import SCALARS
from tests.schema.plans.telling import NOW, tell, tell_list


@dataclass
class Trace:
    """The context: what the resolvers did, in order."""

    events: list[str] = field(default_factory=list[str])

    def add(self, event: str) -> None:
        self.events.append(event)


Info = strawberry.Info[Trace, None]


@strawberry.enum
class Colour(Enum):
    """Its names are not its values, of which one is what stands for null in Python."""

    RED = "red value"
    GREEN = "green value"
    NONE = None


Silent = NewType("Silent", str)
"""A scalar, some of whose values have no form in JSON."""


def _without_form(value: str) -> Any:
    return {"null": None, "undefined": Undefined}.get(value, value)


@strawberry.type
class Item:
    says: strawberry.Private[str]
    label: str = "a label"
    from_attribute: int | None = 3

    @strawberry.field
    def constant(self) -> str:
        """Whatever it is asked of."""
        return "a constant"

    @strawberry.field
    def text(self) -> str | None:
        return tell(self.says, "text", "a text")

    @strawberry.field
    def needed_text(self) -> str:
        return tell(self.says, "neededText", "a needed text")

    @strawberry.field
    def number(self) -> int | None:
        return tell(self.says, "number", 42)

    @strawberry.field
    def needed_number(self) -> int:
        return tell(self.says, "neededNumber", 0)

    @strawberry.field
    def ratio(self) -> float | None:
        return tell(self.says, "ratio", 0.5)

    @strawberry.field
    def flag(self) -> bool | None:
        return tell(self.says, "flag", False)

    @strawberry.field
    def key(self) -> strawberry.ID | None:
        return tell(self.says, "key", strawberry.ID("a key"))

    @strawberry.field
    def colour(self) -> Colour | None:
        return tell(self.says, "colour", Colour.RED)

    @strawberry.field
    def needed_colour(self) -> Colour:
        return tell(self.says, "neededColour", Colour.GREEN)

    @strawberry.field
    def at(self) -> datetime | None:
        return tell(self.says, "at", NOW)

    @strawberry.field
    def tags(self) -> list[str]:
        return tell_list(self.says, "tags", ["a", "b"])

    @strawberry.field
    def loose_tags(self) -> list[str | None] | None:
        return tell_list(self.says, "looseTags", ["c", "d"])

    @strawberry.field
    def firm_tags(self) -> list[str] | None:
        return tell_list(self.says, "firmTags", ["e", "f"])

    @strawberry.field
    def patchy_tags(self) -> list[str | None]:
        return tell_list(self.says, "patchyTags", ["g", "h"])

    @strawberry.field
    def colours(self) -> list[Colour | None] | None:
        return tell_list(self.says, "colours", [Colour.GREEN, Colour.RED])

    @strawberry.field
    def grid(self) -> list[list[int]]:
        return [[1], tell_list(self.says, "grid", [2, 3])]

    @strawberry.field
    def loose_grid(self) -> list[list[int | None] | None] | None:
        return [[1], tell_list(self.says, "looseGrid", [2, 3])]

    @strawberry.field
    def child(self) -> Item | None:
        return tell(self.says, "child", Item(says=self.says))

    @strawberry.field
    def needed_child(self) -> Item:
        return tell(self.says, "neededChild", Item(says=self.says))

    @strawberry.field
    def children(self, info: Info) -> list[Item]:
        info.context.add("children")
        return tell_list(self.says, "children", [Item(says=""), Item(says=self.says)])

    @strawberry.field
    def loose_children(self) -> list[Item | None] | None:
        return tell_list(self.says, "looseChildren", [Item(says=""), Item(says=self.says)])

    @strawberry.field
    def rows_of_children(self) -> list[list[Item | None]] | None:
        return [[Item(says="")], tell_list(self.says, "rowsOfChildren", [Item(says=self.says), Item(says="")])]


@strawberry.input
class Given:
    text: str
    number: int | None = strawberry.UNSET
    ratio: float | None
    flag: bool | None = strawberry.UNSET
    at: datetime | None = strawberry.UNSET
    key: strawberry.ID | None = strawberry.field(name="from", default=strawberry.UNSET)


async def _late(info: Info, name: str) -> None:
    """Lets others run in between."""
    info.context.add(f"{name} begins")
    try:
        for _ in range(3):
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        info.context.add(f"{name} is cancelled")
        raise
    info.context.add(f"{name} ends")


@strawberry.type
class Query:
    @strawberry.field
    def item(self, info: Info, says: str) -> Item | None:
        info.context.add(f"item {says}")
        return tell(says, "item", Item(says=says))

    @strawberry.field
    def needed_item(self, says: str) -> Item:
        return tell(says, "neededItem", Item(says=says))

    @strawberry.field
    async def late_item(self, info: Info, says: str) -> Item | None:
        await _late(info, f"lateItem {says}")
        return tell(says, "lateItem", Item(says=says))

    @strawberry.field
    async def needed_late_item(self, info: Info, says: str) -> Item:
        info.context.add("neededLateItem")
        return tell(says, "neededLateItem", Item(says=says))

    @strawberry.field
    def items(self, says: str) -> list[Item]:
        return tell_list(says, "items", [Item(says=""), Item(says=says)])

    @strawberry.field
    async def late_items(self, info: Info, says: str) -> list[Item | None] | None:
        await _late(info, "lateItems")
        return tell_list(says, "lateItems", [Item(says=says), Item(says="")])

    @strawberry.field
    def word(self, says: str) -> str | None:
        return tell(says, "word", "a word")

    @strawberry.field
    async def late_words(self, says: str) -> list[list[str]] | None:
        return [["x"], tell_list(says, "lateWords", ["y", "z"])]

    @strawberry.field
    def colour(self, says: str) -> Colour | None:
        return tell(says, "colour", Colour.GREEN)

    @strawberry.field
    def silent(self, says: str) -> Silent | None:
        return Silent(says)

    @strawberry.field
    def echo(
        self,
        text: str | None = strawberry.UNSET,
        number: int | None = strawberry.UNSET,
        ratio: float | None = strawberry.UNSET,
        flag: bool | None = strawberry.UNSET,
        key: strawberry.ID | None = strawberry.UNSET,
        at: datetime | None = strawberry.UNSET,
    ) -> str:
        return repr((text, number, ratio, flag, key, at))

    @strawberry.field
    async def echo_given(self, info: Info, given: Given, spare_one: Given | None = strawberry.UNSET) -> str:
        info.context.add("echoGiven")
        return f"{given!r} {spare_one!r}"


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def late_note(self, info: Info, says: str) -> Item | None:
        await _late(info, f"lateNote {says}")
        return tell(says, "lateNote", Item(says=says))

    @strawberry.mutation
    def note(self, info: Info, says: str) -> Item | None:
        info.context.add(f"note {says}")
        return tell(says, "note", Item(says=says))

    @strawberry.mutation
    async def needed_note(self, info: Info, says: str) -> Item:
        await _late(info, f"neededNote {says}")
        return tell(says, "neededNote", Item(says=says))


_SCALARS: Final = SCALARS | {Silent: strawberry.scalar(name="Silent", serialize=_without_form)}
SCHEMA: Final = strawberry.Schema(Query, Mutation, config=StrawberryConfig(scalar_map=_SCALARS))._schema
