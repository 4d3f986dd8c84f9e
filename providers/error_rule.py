"""How an entry says what its provider's answers mean: which are successes, and what the others are."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, cast

from pydantic import Field, PlainValidator, ValidationInfo, field_validator

from providers.entry_table import DottedPath, Table

HEADER_NAME: Final = r"^[A-Za-z0-9-]+$"


def _scalar(value: object) -> str | int | bool:
    if isinstance(value, str | int):
        return value
    raise ValueError("must be a string, a whole number or a boolean")


class Success(Table):
    """What an answer must contain to be a success: the value at `field`, a path from the top, must be `equals`."""

    field: DottedPath
    equals: Annotated[str | int | bool, PlainValidator(_scalar)]


def _scalars(value: object) -> tuple[str | int | bool, ...]:
    values = (
        tuple(_scalar(one) for one in cast("list[object]", value)) if isinstance(value, list) else (_scalar(value),)
    )
    if not values:
        raise ValueError("must not be an empty list")
    return values


class ErrorRule(Table):
    """Assigns a meaning to some of a provider's error answers. The first rule that matches an answer decides.

    A rule matches by the HTTP `status`, by the value at `field`, a path from the top of the answer, or by both. `field`
    alone must be present and not null; with `equals` it must be that value, or one of those, and with `starts_with` a
    string with that prefix. `wait`, also a path, and `wait_header`, a header field, contain the seconds that the
    provider asks us to wait.
    """

    status: Annotated[int, Field(ge=200, le=599)] | None = None
    field: DottedPath | None = Field(default=None, validate_default=True)
    equals: Annotated[tuple[str | int | bool, ...], PlainValidator(_scalars)] | None = None
    starts_with: Annotated[str, Field(min_length=1)] | None = None
    # Declared before `wait` and `wait_header`, which are validated against it.
    meaning: Literal["grant_over", "misconfigured", "slow_down", "passing"]
    wait: DottedPath | None = None
    wait_header: Annotated[str, Field(pattern=HEADER_NAME)] | None = None

    @field_validator("field")
    @classmethod
    def _some_condition(cls, field: str | None, info: ValidationInfo) -> str | None:
        if field is None and info.data.get("status", 0) is None:
            raise ValueError("is missing: a rule needs status, field or both")
        return field

    @field_validator("equals", "starts_with")
    @classmethod
    def _of_a_field(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("field", "") is None:
            raise ValueError("needs field")
        if value is not None and info.data.get("equals") is not None:
            raise ValueError("can't be combined with equals")
        return value

    @field_validator("wait", "wait_header")
    @classmethod
    def _of_a_retryable_error(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("meaning") in ("grant_over", "misconfigured"):
            raise ValueError("is only for slow_down and passing")
        if value is not None and info.data.get("wait") is not None:
            raise ValueError("can't be combined with wait")
        return value
