"""The targets by name. Each is a module with `check`, which raises for an input that shows a fault, `WORDS`, of which
inputs are likely to consist, and `INSTRUMENTED`, the packages whose coverage guides the search."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final, Protocol, cast

NAMES: Final = ("graphql_documents", "response_reader", "strict_json", "token_answer", "uri")


class Target(Protocol):
    INSTRUMENTED: list[str]
    WORDS: list[bytes]
    check: Callable[[bytes], None]


def load(name: str) -> Target:
    return cast("Target", import_module(f"tests.fuzz.{name}"))
