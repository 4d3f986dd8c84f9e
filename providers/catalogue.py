"""The catalogue of providers, read from the TOML files in `catalogue/` and in a directory of the operator's.

`docs/catalogue.md` describes the format. A file may also have a table `[variables]` (name = default): `{name}` in a URL
of the file is replaced by the value, and the environment variable `<SLUG>_<NAME>` overrides the default.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

import msgspec

from providers.credentials import Credentials, environment_name, read_credentials
from providers.entry.about import read_variables
from providers.entry.lines import lines_of
from providers.entry.problems import described
from providers.entry.provider import Provider
from providers.entry.urls import EntryContext
from providers.entry.values import read_parts
from wire.tables import Problem, Problems, read_table

__all__ = [
    "Catalogue",
    "CatalogueError",
    "Credentials",
    "Provider",
    "ignored_files",
    "read_catalogue",
    "read_credentials",
    "read_entry",
]

Catalogue = Mapping[str, Provider]
"""Providers by slug, in the order of the slugs. Immutable."""

NO_ENTRIES: Final[Catalogue] = MappingProxyType({})

BUILT_IN: Final = Path(__file__).with_name("catalogue")
_OTHER_FORMATS: Final = ("json", "yaml", "yml")
SANDBOX: Final = "sandbox"
"""Not a provider, but Tendon's stand-in for one, at a private address. It is in the catalogue in development only."""


class CatalogueError(Exception):
    """`problems` lists everything that is wrong, with file and key. `readable` has the entries without problems."""

    def __init__(self, problems: list[str], readable: Catalogue = NO_ENTRIES) -> None:
        self.problems = tuple(problems)
        self.readable = readable
        super().__init__("\n".join(problems))


def read_catalogue(
    extra: Path | None = None, *, variables: Mapping[str, str] = os.environ, allow_private: bool = False
) -> Catalogue:
    """The built-in catalogue with the files of the directory `extra`, which replace built-in entries of the same slug.

    `variables` is the environment. Unless `allow_private`, URLs must be https and not have private addresses, and the
    sandbox is left out. Raises CatalogueError.
    """
    files = files_of(BUILT_IN)
    if not allow_private:
        files.pop(SANDBOX, None)
    if extra is not None:
        files |= files_of(extra)
    problems: list[str] = []
    entries: dict[str, Provider] = {}
    for slug in sorted(files):
        try:
            entries[slug] = _read(files[slug], variables, allow_private=allow_private)
        except CatalogueError as found:
            problems += found.problems
    problems += _clashes(entries)
    if problems:
        raise CatalogueError(problems, entries)
    return MappingProxyType(entries)


def read_entry(file: Path, *, variables: Mapping[str, str] = os.environ, allow_private: bool = False) -> Provider:
    """The entry in one file, whether or not it is in the catalogue. As for `read_catalogue`. Raises CatalogueError."""
    if file.suffix != ".toml":
        raise CatalogueError([f"{file.name}: is not the name of an entry, which ends in .toml"])
    return _read(file, variables, allow_private=allow_private)


def ignored_files(folder: Path) -> list[str]:
    """Files in the operator's directory that look like entries but are not read, and what to do about each.

    Hidden files and other documents, such as a README, are not reported.
    """
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    return [f"{name}: is not read: {hint}" for name in names if (hint := _hint(name))]


def _hint(name: str) -> str | None:
    stem, *endings = name.lower().split(".")
    if not stem or not endings or name.endswith(".toml"):
        return None
    if any(ending.startswith("toml") for ending in endings):
        # An upper-case extension, or a copy that an editor or an upgrade left.
        return f"the name of an entry ends in .toml: rename it to {stem}.toml, or move it elsewhere"
    ending = endings[-1]
    if ending in _OTHER_FORMATS or sorted(ending) == sorted("toml") or get_close_matches(ending, ["toml"], cutoff=0.8):
        return f"an entry is a TOML file: rename it to {stem}.toml"
    return None


def files_of(folder: Path) -> dict[str, Path]:
    """The files of entries by slug, which is the name of the file. Raises CatalogueError."""
    if not folder.is_dir():
        raise CatalogueError([f"{folder}: is not a folder"])
    return {path.stem: path for path in folder.glob("*.toml") if not path.name.startswith(".")}


def _read(path: Path, environment: Mapping[str, str], *, allow_private: bool) -> Provider:
    table = _table(path)
    with _problems_of(path):
        defaults = read_parts({"variables": table.pop("variables", {})}, read_variables, None)["variables"]
    values = {name: environment.get(environment_name(path.stem, name)) or defaults[name] for name in defaults}
    with _problems_of(path):
        context = EntryContext(path.stem, values, allow_private, _secrets(table))
        return _with_sites(read_table(Provider, table, context), table, context, environment)


def _secrets(table: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of further credentials, which other tables may use. What is wrong with them is found later."""
    registration = table.get("registration")
    names = cast("Mapping[str, Any]", registration).get("secrets") if isinstance(registration, dict) else None
    return tuple(str(name) for name in cast("list[object]", names)) if isinstance(names, list) else ()


def _with_sites(
    entry: Provider, table: Mapping[str, Any], context: EntryContext, environment: Mapping[str, str]
) -> Provider:
    """The entry with itself at each of its sites. Raises Problems."""
    at_sites: dict[str, Provider] = {}
    problems: list[Problem] = []
    for id_, site in entry.sites.items():
        problems += (
            Problem(("sites", id_, "variables", name), "is not in [variables]")
            for name in site.variables
            if name not in context.variables
        )
        values = {**context.variables, **site.variables}
        overridden = {name: environment.get(environment_name(entry.slug, f"{id_}_{name}")) for name in values}
        values |= {name: value for name, value in overridden.items() if value}
        try:
            there = read_table(Provider, table, msgspec.structs.replace(context, variables=values))
        except Problems as failure:
            problems += (Problem(("sites", id_, *each.path), each.message) for each in failure.problems)
        else:
            at_sites[id_] = msgspec.structs.replace(there, site=id_)
    if problems:
        raise Problems(problems)
    return msgspec.structs.replace(entry, at_sites=MappingProxyType(at_sites))


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except UnicodeDecodeError:
        raise CatalogueError([f"{path.name}: is not UTF-8"]) from None
    except tomllib.TOMLDecodeError as failure:
        raise CatalogueError([f"{path.name}: is not TOML: {failure}"]) from None
    except OSError as failure:
        raise CatalogueError([f"{path.name}: can't be read: {failure.strerror}"]) from None


@contextmanager
def _problems_of(path: Path) -> Generator[None]:
    try:
        yield
    except Problems as failure:
        lines = lines_of(path.read_text("utf-8"))
        raise CatalogueError([f"{path.name}: {described(each, lines)}" for each in failure.problems]) from None


def _clashes(entries: Mapping[str, Provider]) -> Iterator[str]:
    """Slugs such as `a-b` and `a_b`, whose credentials are read from the same variables."""
    seen: dict[str, str] = {}
    for slug in entries:
        other = seen.setdefault(environment_name(slug, "client_id"), slug)
        if other != slug:
            yield f"{slug}.toml: slug: takes its credentials from the same variables as {other}.toml"
