"""Reads the catalogue, and Tendon's client credentials at each provider: `<SLUG>_CLIENT_ID` and
`<SLUG>_CLIENT_SECRET`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.settings.environment import SettingsError, format_problem
from gateway.settings.model import CatalogueSettings
from providers.catalogue import SANDBOX, Catalogue, CatalogueError, Provider, read_catalogue, read_credentials
from providers.credentials import environment_name
from resolvers.context import Registration


def read_registrations(
    settings: CatalogueSettings, environment: Mapping[str, str]
) -> tuple[Catalogue, dict[str, Registration]]:
    """The catalogue, and the registration of each provider that has credentials.

    Raises SettingsError with every problem in the entries and the credentials.
    """
    catalogue, problems = _read(settings, environment)
    problems += _credential_problems(catalogue, environment)
    if problems:
        raise SettingsError("\n".join(problems))
    found = {slug: read_credentials(entry, environment) for slug, entry in catalogue.items()}
    return catalogue, {slug: Registration(catalogue[slug], each) for slug, each in found.items() if each is not None}


def registration_problems(settings: CatalogueSettings, environment: Mapping[str, str]) -> list[str]:
    """The problems that `read_registrations` would report, except for the sandbox's credentials, which are generated
    when they are not set."""
    catalogue, problems = _read(settings, environment)
    others = {slug: entry for slug, entry in catalogue.items() if slug != SANDBOX}
    return [*problems, *_credential_problems(others, environment)]


def catalogue_problems(settings: CatalogueSettings, environment: Mapping[str, str]) -> list[str]:
    """The problems in the catalogue's entries, without those in the credentials."""
    return _read(settings, environment)[1]


def credential_mistakes(slug: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the values of a provider's credentials, by variable. Tendon doesn't start with them."""
    names = {environment_name(slug, kind): kind == "client_secret" for kind in ("client_id", "client_secret")}
    found = {name: format_problem(environment.get(name, ""), secret=secret) for name, secret in names.items()}
    return {name: problem for name, problem in found.items() if problem is not None}


def _read(settings: CatalogueSettings, environment: Mapping[str, str]) -> tuple[Catalogue, list[str]]:
    """The entries that can be read, and the problems in the others."""
    private = settings.private_providers
    try:
        return read_catalogue(settings.catalogue, variables=environment, allow_private=private), []
    except CatalogueError as fault:
        return fault.readable, list(fault.problems)


def _credential_problems(catalogue: Catalogue, environment: Mapping[str, str]) -> Iterator[str]:
    for slug, entry in catalogue.items():
        for name, problem in credential_mistakes(slug, environment).items():
            yield f"{name}: {problem}"
        names = {kind: environment_name(slug, kind) for kind in ("client_id", "client_secret")}
        present = [name for name in names.values() if environment.get(name)]
        missing = _missing(entry, names, present)
        if missing is not None:
            yield f"{missing}: must be set, because {present[0]} is: set both, or neither to leave {entry.name} out"


def _missing(entry: Provider, names: Mapping[str, str], present: list[str]) -> str | None:
    """The variable that is missing when only one of the two is set. A public client has no secret (RFC 6749 2.1)."""
    if len(present) != 1 or (entry.token.auth == "none" and present == [names["client_id"]]):
        return None
    return next(name for name in names.values() if name not in present)
