"""How an entry says what its provider's answers mean: which are successes, and what the others are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, cast

from providers.entry.reader import accepts
from providers.entry.values import DottedPath, EntryTable, form, read_scalar, text, whole_number
from wire.tables import Invalid


class Success(EntryTable, frozen=True, kw_only=True):
    """What an answer must contain to be a success: the value at `field`, a path from the top, must be `equals`, or, if
    `absent`, there must be none."""

    field: DottedPath
    equals: Annotated[str | int | bool, read_scalar] | None = None
    absent: bool = False

    @classmethod
    def conflicts(cls, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if known.get("absent") and "equals" in given:
            yield "equals", "can't be combined with absent = true"
        if known.get("absent") is False and known.get("equals", "invalid") is None:
            yield "equals", "is missing"


@accepts({"anyOf": [read_scalar.schema, {"type": "array", "items": read_scalar.schema, "minItems": 1}]})
def _read_scalars(value: object, _context: object) -> tuple[str | int | bool, ...]:
    """A scalar, or a list of them."""
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    if not values:
        raise Invalid("must not be an empty list")
    return tuple(read_scalar(one) for one in values)


class ErrorRule(EntryTable, frozen=True, kw_only=True):
    """Assigns a meaning to some of a provider's error answers. The first rule that matches an answer decides.

    A rule matches by the HTTP `status`, by the value at `field`, a path from the top of the answer, or by both. `field`
    alone must be present and not null; with `equals` it must be that value, or one of those, and with `starts_with` a
    string with that prefix. `wait`, also a path, and `wait_header`, a header field, contain the seconds that the
    provider asks us to wait.
    """

    status: Annotated[int, whole_number(200, 599)] | None = None
    field: DottedPath | None = None
    equals: Annotated[tuple[str | int | bool, ...], _read_scalars] | None = None
    starts_with: Annotated[str, text()] | None = None
    meaning: Literal["grant_over", "misconfigured", "slow_down", "passing"]
    wait: DottedPath | None = None
    wait_header: Annotated[str, form(r"[A-Za-z0-9-]+", "the name of a header field, such as Retry-After")] | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        has_field = known.get("field", "invalid") is not None
        if not has_field and known.get("status", "invalid") is None:
            yield "field", "is missing: a rule needs status, field or both"
        for name in ("equals", "starts_with"):
            if name in given and not has_field:
                yield name, "needs field"
        if "starts_with" in given and "equals" in given:
            yield "starts_with", "can't be combined with equals"
        for name in ("wait", "wait_header"):
            if name in given and known.get("meaning") in ("grant_over", "misconfigured"):
                yield name, "is only for slow_down and passing"
        if "wait_header" in given and "wait" in given:
            yield "wait_header", "can't be combined with wait"
