"""A schema with shapes that plans leave to graphql-core's executor, and some that are close to them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from enum import Enum
from typing import Annotated, Any, cast

import strawberry
from strawberry.directive import DirectiveLocation, DirectiveValue
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig


class Open(BasePermission):
    def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        return True


class Shouting(FieldExtension):
    def resolve(self, next_: Callable[..., Any], source: Any, info: Any, **kwargs: Any) -> Any:
        return str(next_(source, info, **kwargs)).upper()


@strawberry.enum
class Size(Enum):
    SMALL = "s"


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Dog(Named):
    pass


@strawberry.type
class Cat:
    name: str = "a cat"


@strawberry.type
class Bird:
    """Has no interface, but says itself what is one."""

    name: str = "a bird"

    @classmethod
    def is_type_of(cls, _value: Any, _info: Any) -> bool:
        return True


Info = strawberry.Info[Any, None]


def _free(name: str) -> str:
    return name


def _of_parent(parent: strawberry.Parent[Any]) -> str:
    return str(parent)


@strawberry.type
class Inner:
    plain: str = "plain"

    @strawberry.field
    async def late(self) -> str:
        return "late"

    @strawberry.field
    def of_argument(self, number: int) -> str:
        return str(number)

    @strawberry.field
    def inner(self) -> Inner:
        return Inner()

    permitted: str = strawberry.field(permission_classes=[Open], default="x")


@strawberry.input
class Usual:
    text: str


@strawberry.input
class WithDefault:
    text: str = "a default"


@strawberry.input
class Nested:
    usual: Usual


@strawberry.input
class WithList:
    texts: list[str]


@strawberry.input
class WithEnum:
    size: Size


@strawberry.input
class Perhaps:
    text: strawberry.Maybe[str]


@strawberry.input(one_of=True)
class OneOf:
    text: str | None = strawberry.UNSET
    number: int | None = strawberry.UNSET


def _from_input(kind: type, value: Any, _context: Any) -> Any:
    return kind(**value)


@strawberry.input
class Custom:
    text: str


cast("Any", Custom).__strawberry_definition__.from_input = _from_input


@strawberry.type
class Query:
    plain: str = "plain"

    @strawberry.field
    def word(self) -> str:
        return "a word"

    @strawberry.field
    def inner(self) -> Inner:
        return Inner()

    @strawberry.field
    def named(self) -> Named:
        return Dog(name="a dog")

    @strawberry.field
    def dog(self) -> Dog:
        return Dog(name="a dog")

    @strawberry.field
    def dogs(self) -> list[Dog]:
        return []

    @strawberry.field
    def bird(self) -> Bird:
        return Bird()

    @strawberry.field
    def pet(self) -> Annotated[Cat | Bird, strawberry.union("Pet")]:
        return Cat()

    @strawberry.field
    def cat(self) -> Cat:
        return Cat()

    @strawberry.field(permission_classes=[Open])
    def permitted(self) -> str:
        return "x"

    @strawberry.field(extensions=[Shouting()])
    def shouted(self) -> str:
        return "x"

    @strawberry.field
    def of_info(self, i: Info) -> str:
        return "x"

    free: str = strawberry.field(resolver=_free)
    of_parent: str = strawberry.field(resolver=_of_parent)

    @strawberry.field
    def of_root(root: Any) -> str:  # noqa: N805 # pyright: ignore[reportSelfClsParameterName]
        return "x"

    @strawberry.field
    def of_self_and_root(self, root: Any) -> str:
        return "x"

    @strawberry.field
    def of_self_and_parent(self, parent: strawberry.Parent[Any]) -> str:
        return "x"

    @strawberry.field
    def of_default(self, text: str = "a default") -> str:
        return text

    @strawberry.field
    def of_maybe(self, text: strawberry.Maybe[str]) -> str:
        return str(text)

    @strawberry.field
    def of_anything(self, value: JSON) -> str:
        return str(value)

    @strawberry.field
    def of_list(self, texts: list[str]) -> str:
        return str(texts)

    @strawberry.field
    def of_size(self, size: Size) -> str:
        return str(size)

    @strawberry.field
    def of_input(
        self,
        usual: Usual | None = strawberry.UNSET,
        with_default: WithDefault | None = strawberry.UNSET,
        nested: Nested | None = strawberry.UNSET,
        with_list: WithList | None = strawberry.UNSET,
        with_enum: WithEnum | None = strawberry.UNSET,
        perhaps: Perhaps | None = strawberry.UNSET,
        one_of: OneOf | None = strawberry.UNSET,
        custom: Custom | None = strawberry.UNSET,
    ) -> str:
        return "x"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def word(self) -> AsyncGenerator[str]:
        yield "x"


@strawberry.directive(locations=[DirectiveLocation.QUERY])
def only(value: DirectiveValue[str]) -> str:
    return value


SCHEMA = strawberry.Schema(Query, subscription=Subscription, directives=[only])._schema


def _by_key(source: Any, name: str) -> Any:
    return source[name]


@strawberry.type
class Row:
    plain: str

    @strawberry.field
    def word(self) -> str:
        return "a word"


@strawberry.type
class Rows:
    @strawberry.field
    def row(self) -> Row:
        return cast("Any", {"plain": "plain"})


SCHEMA_OF_ROWS = strawberry.Schema(Rows, config=StrawberryConfig(default_resolver=_by_key))._schema
"""Attributes are read in a way of its own."""
