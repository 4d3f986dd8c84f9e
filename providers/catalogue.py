"""The catalogue of providers, read from the TOML files in `catalogue/` and in a directory of the operator's.

`docs/catalogue.md` describes the format. A file may also have a table `[variables]` (name = default): `{name}` in a URL
of the file is replaced by the value, and the environment variable `<SLUG>_<NAME>` overrides the default. For an entry
with sites, `<SLUG>_SITES` says which of them are offered, and with `open_sites` it names further ones.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

import msgspec

from providers.authorization import alike
from providers.credentials import Credentials, environment_name, own_variables, read_credentials
from providers.entry.about import read_variables
from providers.entry.provider import Provider
from providers.entry.urls import EntryContext
from providers.entry.values import read_parts
from providers.open_sites import (
    KEY,
    Sites,
    SitesError,
    chosen_sites,
    is_open,
    operator_sites,
    site_variable,
    sites_setting,
    split_problems,
    stand_ins,
    with_sites,
)
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
_NO_SITES: Final[Sites] = MappingProxyType({})

BUILT_IN: Final = Path(__file__).with_name("catalogue")
# What a slug such as `acme-client` makes of the names `id` and `secret`.
_OF_CLIENTS: Final = ("_CLIENT_ID", "_CLIENT_SECRET")
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
    names: dict[str, Sequence[str]] = {}
    for slug in sorted(files):
        try:
            entries[slug], names[slug] = _read(files[slug], variables, allow_private=allow_private)
        except CatalogueError as found:
            problems += found.problems
    problems += _clashes(names)
    if problems:
        raise CatalogueError(problems, entries)
    return MappingProxyType(entries)


def read_entry(file: Path, *, variables: Mapping[str, str] = os.environ, allow_private: bool = False) -> Provider:
    """The entry in one file, whether or not it is in the catalogue. As for `read_catalogue`. Raises CatalogueError."""
    if file.suffix != ".toml":
        raise CatalogueError([f"{file.name}: is not the name of an entry, which ends in .toml"])
    entry, _ = _read(file, variables, allow_private=allow_private)
    return entry


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


def _read(path: Path, environment: Mapping[str, str], *, allow_private: bool) -> tuple[Provider, Sequence[str]]:
    """The entry, and the environment variables that are read for it."""
    table = _table(path)
    with _problems_of(path):
        defaults = read_parts({"variables": table.pop("variables", {})}, read_variables, None)["variables"]
    values = {name: environment.get(environment_name(path.stem, name)) or defaults[name] for name in defaults}
    with _problems_of(path):
        added = operator_sites(path.stem, table, defaults, environment)
    table = with_sites(table, added)
    unset = stand_ins(table, values) if is_open(table) else {}
    with _problems_of(path, added):
        if is_open(table) and all(defaults.values()):
            raise Problems([Problem((KEY,), "needs a variable whose default is empty, so that sites can differ")])
        context = EntryContext(path.stem, {**values, **unset}, allow_private, _secrets(table))
        entry = _with_sites(read_table(Provider, table, context), table, context, environment, unset)
    needed = tuple(name for name, default in defaults.items() if entry.open_sites and not default)
    entry = msgspec.structs.replace(entry, site_variables=needed)
    names = [*environment_names(entry), *(_variable(one, name) for one in entry.everywhere for name in defaults)]
    names += [site_variable(entry.slug, site, "name") for site in added]
    others = (*defaults, *entry.registration.secrets)
    for name in [_variable(one, other) for one in entry.everywhere for other in others]:
        if name.endswith(_OF_CLIENTS):
            raise CatalogueError([f"{path.name}: {name} is the name of a client's credential: choose other names"])
    for name in sorted({name for name in names if names.count(name) > 1}):
        raise CatalogueError([f"{path.name}: {name} in the environment would mean two things: choose other names"])
    return _with_offers(entry, environment), names


def _variable(entry: Provider, name: str) -> str:
    """The environment variable that overrides a variable of the entry, at its site if it is at one."""
    return environment_name(entry.slug, f"{entry.site}_{name}" if entry.site else name)


def environment_names(entry: Provider) -> list[str]:
    """The environment variables of the entry's credentials, those of its sites included, and of its choice of sites."""
    sites = [sites_setting(entry.slug)] if entry.has_sites else []
    return [*sites, *(name for one in entry.everywhere for name in own_variables(one).values())]


def _with_offers(entry: Provider, environment: Mapping[str, str]) -> Provider:
    """The entry with those sites offered that the environment names, if it names any."""
    ids = chosen_sites(entry.slug, environment)
    if not entry.sites or not ids:
        return entry
    problems = [
        f"{sites_setting(entry.slug)}: number {number} is not a site of {entry.name}: {_known_sites(entry)}"
        for number, id_ in enumerate(ids, 1)
        if id_ not in entry.sites
    ]
    if problems:
        raise CatalogueError(problems)
    sites = {id_: msgspec.structs.replace(site, offered=id_ in ids) for id_, site in entry.sites.items()}
    return msgspec.structs.replace(entry, sites=MappingProxyType(sites))


def _known_sites(entry: Provider) -> str:
    return f"write the ids of some, with commas between them: {', '.join(entry.sites)}"


def _secrets(table: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of further credentials, which other tables may use. What is wrong with them is found later."""
    registration = table.get("registration")
    names = cast("Mapping[str, Any]", registration).get("secrets") if isinstance(registration, dict) else None
    return tuple(str(name) for name in cast("list[object]", names)) if isinstance(names, list) else ()


def _with_sites(
    entry: Provider,
    table: Mapping[str, Any],
    context: EntryContext,
    environment: Mapping[str, str],
    unset: Collection[str],
) -> Provider:
    """The entry with itself at each of its sites. `unset` are the variables that have no value apart from that of a
    site. Raises Problems."""
    at_sites: dict[str, Provider] = {}
    problems: list[Problem] = []
    for id_, site in entry.sites.items():
        problems += (
            Problem(("sites", id_, "variables", name), "is not in [variables]")
            for name in site.variables
            if name not in context.variables
        )
        values = {**context.variables, **site.variables}
        at_site = msgspec.structs.replace(entry, site=id_)
        overridden = {name: environment.get(_variable(at_site, name)) for name in values}
        given = {**site.variables, **{name: value for name, value in overridden.items() if value}}
        values |= given
        problems += (
            Problem(("sites", id_, "variables"), f"must have {name}, which has no default")
            for name in unset
            if not given.get(name)
        )
        try:
            there = read_table(Provider, table, msgspec.structs.replace(context, variables=values))
        except Problems as failure:
            problems += (Problem(("sites", id_, *each.path), each.message) for each in failure.problems)
        else:
            at_sites[id_] = msgspec.structs.replace(there, site=id_)
    problems += (
        Problem(("sites", one), f"has the same digest in a state as sites.{other}: choose another id")
        for one, other in alike(entry.sites)
    )
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
    except RecursionError:
        raise CatalogueError([f"{path.name}: is nested too deeply"]) from None
    except ValueError:
        # Python refuses to read such a number.
        raise CatalogueError([f"{path.name}: has a number with too many digits"]) from None
    except OSError as failure:
        raise CatalogueError([f"{path.name}: can't be read: {failure.strerror}"]) from None


@contextmanager
def _problems_of(path: Path, added: Sites = _NO_SITES) -> Generator[None]:
    """`added` are sites of the operator's, whose problems are not those of the file."""
    try:
        yield
    except SitesError as failure:
        raise CatalogueError(failure.problems) from None
    except Problems as failure:
        at_sites, own = split_problems(path.stem, added, failure.problems)
        problems = [f"{path.name}: {problem}" for problem in (_described(own, path) if own else ())]
        raise CatalogueError([*at_sites, *problems]) from None


def _described(problems: Sequence[Problem], path: Path) -> list[str]:
    # A start doesn't need them.
    from providers.entry.lines import lines_of  # noqa: PLC0415
    from providers.entry.problems import described  # noqa: PLC0415

    try:
        lines = lines_of(path.read_text("utf-8"))
    except RecursionError:
        # It is nested too deeply to look for the lines.
        lines = {}
    return [described(each, lines) for each in problems]


def _clashes(names: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Slugs such as `a-b` and `a_b`, or `a-b` and the site `b` of `a`, for which the same variables are read."""
    seen: dict[str, str] = {}
    for slug, own in names.items():
        shared = next((name for name in own if name in seen), None)
        if shared is not None:
            yield f"{slug}.toml: slug: {shared} in the environment is also for {seen[shared]}.toml: choose another slug"
        seen = dict.fromkeys(own, slug) | seen
