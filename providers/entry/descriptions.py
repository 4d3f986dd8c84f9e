"""What each key of an entry means, in a sentence, from `descriptions.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from wire.tables import Table

FILE: Final = Path(__file__).with_suffix(".toml")
"""A table for each kind of table, by the name of its class."""


def descriptions_of(kind: type[Table]) -> Mapping[str, str]:
    """By key."""
    return _all().get(kind.__name__, {})


# Only editors and authors need them, so that a start doesn't read them.
@cache
def _all() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(FILE.read_text("utf-8"))
