"""Vendors that people ask for and that can't be connected, each with the reason, read from `unsupported.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from providers.catalogue import CatalogueError
from providers.entry.about import Sentence, Source, read_sources
from providers.entry.provider import read_form_of_slug
from providers.entry.urls import EntryContext
from providers.entry.values import EntryTable, table_of, text
from wire.tables import UNKNOWN, Problem, Problems, keys, read_table

FILE: Final = Path(__file__).with_suffix(".toml")

_PUBLIC: Final = EntryContext(slug="", variables=MappingProxyType({}), allow_private=False)


class Unsupported(EntryTable, frozen=True, kw_only=True):
    """Why a vendor can't be connected, and what to do `instead`, where there is something."""

    name: Annotated[str, text(100)]
    reason: Sentence
    instead: Sentence | None = None
    sources: Annotated[tuple[Source, ...], read_sources] = ()


_read_vendors: Final = table_of(partial(read_table, Unsupported), read_form_of_slug)


def read_unsupported(file: Path = FILE) -> Mapping[str, Unsupported]:
    """The vendors by slug, in the order of the slugs. Raises CatalogueError."""
    try:
        vendors: Mapping[str, Unsupported] = _read_vendors(tomllib.loads(file.read_text("utf-8")), _PUBLIC)
    except tomllib.TOMLDecodeError as failure:
        raise CatalogueError([f"{file.name}: is not TOML: {failure}"]) from None
    except Problems as failure:
        raise CatalogueError([f"{file.name}: {_described(each)}" for each in failure.problems]) from None
    return MappingProxyType(dict(sorted(vendors.items())))


def _described(problem: Problem) -> str:
    key = ".".join(str(part) for part in problem.path)
    if problem.message == UNKNOWN:
        kind = Source if "sources" in problem.path else Unsupported
        return f"{key}: is not a key of this file: the keys here are {', '.join(keys(kind))}"
    return f"{key}: {problem.message}"
