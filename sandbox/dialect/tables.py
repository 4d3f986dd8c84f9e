"""How the tables of an entry are read: with the defaults of the RFCs, and errors that name the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast


class DialectError(ValueError):
    """A catalogue entry that the sandbox can't imitate: the key, and what is wrong with it."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"the catalogue entry's {key} {reason}")


def table(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise DialectError(name, "is missing or not a table")
    return cast("dict[str, Any]", value)


def texts(parent: Mapping[str, Any], key: str) -> Mapping[str, str]:
    """A table of texts; empty without one."""
    return {name: str(value) for name, value in parent.get(key, {}).items()}


def required(parent: Mapping[str, Any], key: str) -> str:
    value = parent.get(key)
    if not isinstance(value, str) or not value:
        raise DialectError(key, "is missing or not text")
    return value


def one_of(parent: Mapping[str, Any], key: str, choices: tuple[str, ...]) -> str:
    """The value. The first of the choices is the default."""
    value = parent.get(key, choices[0])
    if value not in choices:
        raise DialectError(key, f"is not one of {', '.join(choices)}")
    return value
