"""Sites that the operator names, for entries whose vendor has too many to list, such as every hospital with Epic.

`<SLUG>_SITES` has their ids. For each, `<SLUG>_<SITE>_<VARIABLE>` is the value of a variable, and `<SLUG>_<SITE>_NAME`
the name for users.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from providers.credentials import environment_name
from providers.entry.about import read_site_id, read_site_name
from wire.tables import Invalid, Problem

KEY: Final = "open_sites"

Sites = Mapping[str, Mapping[str, Any]]
"""Tables as those of `[sites.<id>]`, by id."""


class SitesError(Exception):
    """`problems` lists everything that is wrong with the operator's sites, with the environment variable."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def is_open(table: Mapping[str, Any]) -> bool:
    """Whether the operator may name sites that the entry doesn't have."""
    return table.get(KEY) is True


def sites_setting(slug: str) -> str:
    """The environment variable that says which sites are offered."""
    return environment_name(slug, "sites")


def chosen_sites(slug: str, environment: Mapping[str, str]) -> list[str]:
    """The ids in it; none if it is not set."""
    chosen = environment.get(sites_setting(slug))
    return [id_.strip() for id_ in chosen.split(",")] if chosen else []


def site_variable(slug: str, site: str, name: str) -> str:
    """The environment variable that has the value of a variable at a site."""
    return environment_name(slug, f"{site}_{name}")


def operator_sites(
    slug: str, table: Mapping[str, Any], defaults: Mapping[str, str], environment: Mapping[str, str]
) -> Sites:
    """The sites that the environment names and that the entry, of which `table` has all but `[variables]`, does not
    have itself. Raises SitesError."""
    if not is_open(table):
        return {}
    own = table.get("sites")
    known = cast("dict[str, object]", own) if isinstance(own, dict) else dict[str, object]()
    found: dict[str, Mapping[str, Any]] = {}
    problems: list[str] = []
    for number, id_ in enumerate(chosen_sites(slug, environment), 1):
        if id_ in known:
            continue
        try:
            read_site_id(id_, None)
        except Invalid as failure:
            problems.append(f"{sites_setting(slug)}: number {number} {failure}")
            continue
        problems += _missing(slug, id_, table, defaults, environment)
        name = environment.get(site_variable(slug, id_, "name")) or id_
        try:
            read_site_name(name, None)
        except Invalid as failure:
            problems.append(f"{site_variable(slug, id_, 'name')}: {failure}")
        given = {variable: environment.get(site_variable(slug, id_, variable)) for variable in defaults}
        found[id_] = {"name": name, "variables": {variable: value for variable, value in given.items() if value}}
    if problems:
        raise SitesError(problems)
    return found


def sites_of_file(text: str, environment: Mapping[str, str]) -> Sites:
    """The same for the text of a valid entry."""
    entry = tomllib.loads(text)
    return operator_sites(entry["slug"], entry, entry.get("variables", {}), environment)


def with_sites(table: Mapping[str, Any], added: Sites) -> dict[str, Any]:
    """The entry with further sites."""
    return {**table, "sites": {**table.get("sites", {}), **added}} if added else dict(table)


def stand_in(name: str) -> str:
    """A host in place of a value that only sites have. No request goes to it, since users connect at a site: RFC 6761
    6.4 reserves `.invalid` for names that lead nowhere."""
    return f"{name.replace('_', '-')}.invalid"


def stand_ins(table: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, str]:
    """Values for the variables without one, with which the URLs of the entry itself are valid."""
    hosts = {name: stand_in(name) for name, value in values.items() if not value}
    return {name: f"https://{host}" if begins_urls(table, name) else host for name, host in hosts.items()}


def begins_urls(table: object, name: str) -> bool:
    """Whether a text of the entry begins with the variable, so that its value must be a URL."""
    if isinstance(table, Mapping):
        return any(begins_urls(value, name) for value in cast("Mapping[str, object]", table).values())
    if isinstance(table, list):
        return any(begins_urls(value, name) for value in cast("list[object]", table))
    return isinstance(table, str) and table.startswith(f"{{{name}}}")


def split_problems(slug: str, added: Sites, problems: Iterable[Problem]) -> tuple[list[str], list[Problem]]:
    """A line for each problem at a site of the operator's, which names environment variables, and the other problems,
    which are those of the file."""
    lines: list[str] = []
    others: list[Problem] = []
    for problem in problems:
        match problem.path:
            case ("sites", str(site), *key) if site in added:
                # Those that have a value there.
                names = [site_variable(slug, site, name) for name in added[site]["variables"]] or [sites_setting(slug)]
                where = ".".join(map(str, key))
                lines.append(f"{', '.join(names)}: can't be used for the site {site}: {where} {problem.message}")
            case _:
                others.append(problem)
    return lines, others


def _missing(
    slug: str, site: str, table: Mapping[str, Any], defaults: Mapping[str, str], environment: Mapping[str, str]
) -> Iterator[str]:
    for name, default in defaults.items():
        variable = site_variable(slug, site, name)
        value = environment.get(variable)
        if not (default or value or environment.get(environment_name(slug, name))):
            yield f"{variable}: must be set, because {sites_setting(slug)} names the site {site}"
        elif value and "://" in value and not begins_urls(table, name):
            yield f"{variable}: must not be a whole URL: the entry has `https://` and the path itself"
