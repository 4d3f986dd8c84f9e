"""What the tables of a catalogue entry have in common."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

DOTTED_PATH: Final = r"^[^.\s]+(\.[^.\s]+)*$"
DottedPath = Annotated[str, Field(pattern=DOTTED_PATH)]


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def without(*ours: str) -> AfterValidator:
    """Validates extra parameters, which are sent as they are: none of `ours`, which Tendon fills in."""

    def check(params: Mapping[str, str]) -> Mapping[str, str]:
        for name in ours:
            if name in params:
                message = f"must not have {name}, which is filled in"
                raise ValueError(message)
        return MappingProxyType(dict(params))

    return AfterValidator(check)


def no_params() -> Mapping[str, str]:
    return MappingProxyType({})
