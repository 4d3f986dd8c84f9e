"""Reads the catalogue, and Tendon's client credentials at each provider: `<SLUG>_CLIENT_ID`, `<SLUG>_CLIENT_SECRET`,
and what else its entry names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.settings.environment import SettingsError, format_problem
from gateway.settings.model import CatalogueSettings, variable
from providers.catalogue import SANDBOX, Catalogue, CatalogueError, Provider, read_catalogue, read_credentials
from providers.credentials import (
    credential_names,
    credential_variables,
    lacks_key,
    missing_variables,
    names_in_headers,
    own_variables,
)
from resolvers.context import Registration

_PAIR: Final = 2


def read_registrations(
    settings: CatalogueSettings, environment: Mapping[str, str]
) -> tuple[Catalogue, dict[str, Registration]]:
    """The catalogue, and the registration of each provider, and of each of its sites, that has credentials: by
    `Provider.key`.

    Raises SettingsError with every problem in the entries and the credentials.
    """
    catalogue, problems = _read(settings, environment)
    problems += _credential_problems(catalogue, environment)
    problems += _key_problems(catalogue, settings, environment)
    if problems:
        raise SettingsError("\n".join(problems))
    places = [one for entry in catalogue.values() for one in entry.everywhere]
    found = [(one, read_credentials(one, environment, settings.client_keys)) for one in places]
    return catalogue, {one.key: Registration(one, each) for one, each in found if each is not None}


def registration_problems(settings: CatalogueSettings, environment: Mapping[str, str]) -> list[str]:
    """The problems that `read_registrations` would report, except for the sandbox's credentials, which are generated
    when they are not set."""
    catalogue, problems = _read(settings, environment)
    others = {slug: entry for slug, entry in catalogue.items() if slug != SANDBOX}
    return [*problems, *_credential_problems(others, environment), *_key_problems(others, settings, environment)]


def catalogue_problems(settings: CatalogueSettings, environment: Mapping[str, str]) -> list[str]:
    """The problems in the catalogue's entries, without those in the credentials."""
    return _read(settings, environment)[1]


def credential_mistakes(entry: Provider, environment: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the values of a provider's credentials, by variable. Tendon doesn't start with them."""
    in_headers = {*entry.registration.secrets, *names_in_headers(entry)}
    found: dict[str, str] = {}
    for kind, name in [item for one in entry.everywhere for item in own_variables(one).items()]:
        value = environment.get(name, "")
        problem = format_problem(value, secret=kind != "client_id")
        if problem is None and kind in in_headers and not value.isascii():
            problem = "is sent in a header field, which must be ASCII: remove any other character"
        if problem is not None:
            found[name] = problem
    return found


def _read(settings: CatalogueSettings, environment: Mapping[str, str]) -> tuple[Catalogue, list[str]]:
    """The entries that can be read, and the problems in the others."""
    private = settings.private_providers
    try:
        return read_catalogue(settings.catalogue, variables=environment, allow_private=private), []
    except CatalogueError as fault:
        return fault.readable, list(fault.problems)


def _credential_problems(catalogue: Catalogue, environment: Mapping[str, str]) -> Iterator[str]:
    for entry in catalogue.values():
        for name, problem in credential_mistakes(entry, environment).items():
            yield f"{name}: {problem}"
        missing: dict[str, str] = {}
        for name, line in [found for one in entry.everywhere for found in _missing(one, environment)]:
            # One that the provider lacks may be lacking at its sites, too.
            missing.setdefault(name, line)
        yield from missing.values()


def _key_problems(catalogue: Catalogue, settings: CatalogueSettings, environment: Mapping[str, str]) -> Iterator[str]:
    """A line for each algorithm that no key of ours fits, although a provider that requires it has credentials."""
    keys = settings.client_keys
    if not keys and "client_keys" in settings.given:
        # They can't be read, which is reported elsewhere.
        return
    waiting: dict[str, str] = {}
    for one in [one for entry in catalogue.values() for one in entry.everywhere]:
        if one.token.algorithm is not None and lacks_key(one, keys) and not missing_variables(one, environment):
            waiting.setdefault(one.token.algorithm, credential_variables(one, environment)["client_id"])
    for algorithm, name in waiting.items():
        yield f"{variable('client_keys')}: must name a file with a key for {algorithm}, because {name} is set"


def _missing(entry: Provider, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The variables that are missing beside others of the provider, or of its site, and the line about each."""
    variables = credential_variables(entry, environment)
    names = [variables[kind] for kind in credential_names(entry)]
    # A public client has no secret (RFC 6749 2.1), but setting one shows that the provider is meant to be used.
    present = [name for name in dict.fromkeys([*names, variables["client_secret"]]) if environment.get(name)]
    # Without an id and a secret of the provider, its further secrets are for those of its sites.
    if not present or (
        entry.at_sites and set(present).isdisjoint({variables["client_id"], variables["client_secret"]})
    ):
        return
    if entry.site and set(present).isdisjoint(own_variables(entry).values()):
        return
    together = "both, or neither" if len({*names, *present}) <= _PAIR else "all of them, or none"
    left_out = f"{entry.name} at {entry.sites[entry.site].name}" if entry.site else entry.name
    for name in names:
        if name not in present:
            yield name, f"{name}: must be set, because {present[0]} is: set {together} to leave {left_out} out"
