"""`tendon providers`: prints the catalogue as a table. Its further commands are in `providers_<command>.py`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Final

from gateway import dev_sandbox
from gateway.output import print_result
from gateway.settings import CatalogueSettings, SettingsError, read_catalogue_settings, read_environment
from gateway.settings.registrations import credential_mistakes
from gateway.settings.warnings import catalogue_warnings, unknown_settings
from providers.catalogue import SANDBOX, Catalogue, CatalogueError, Provider, read_catalogue
from providers.credentials import credential_names, environment_name, missing_variables

_HEADER: Final = ("slug", "name", "available", "reason", "sites", "pkce", "client auth", "refresh", "scopes", "docs")
# Nothing is served, so the value doesn't matter.
_ORIGIN: Final = "http://127.0.0.1:8000"


def run() -> None:
    settings, environment = read_catalogue_settings(), read_environment()
    if settings.dev:
        environment = dev_sandbox.with_registration(settings, _ORIGIN, environment)
    catalogue, fault = _read(settings, environment)
    warnings = [
        *unknown_settings(settings, environment, catalogue),
        *catalogue_warnings(settings, environment, catalogue),
    ]
    for warning in warnings:
        print(f"{warning.about}: {warning.reason}", file=sys.stderr)  # noqa: T201 - for the terminal
    if fault is not None:
        raise SettingsError(str(fault))
    print_result(_table([_HEADER, *_rows(catalogue, settings, environment)]))


def _read(settings: CatalogueSettings, environment: Mapping[str, str]) -> tuple[Catalogue, CatalogueError | None]:
    """The entries that can be read, and what is wrong with others."""
    private = settings.private_providers
    try:
        return read_catalogue(settings.catalogue, variables=environment, allow_private=private), None
    except CatalogueError as fault:
        return fault.readable, fault


def _rows(catalogue: Catalogue, settings: CatalogueSettings, environment: Mapping[str, str]) -> list[tuple[str, ...]]:
    """One row for each provider, with its availability under `tendon serve` with the same settings."""
    return [
        (
            entry.slug,
            entry.name,
            *_availability(entry, environment, settings),
            " ".join(site.site for site in _sites(entry, environment)),
            entry.authorize.pkce,
            entry.token.auth,
            entry.token.refresh,
            entry.authorize.scope_separator.join(entry.authorize.scopes) or "-",
            entry.docs,
        )
        for entry in catalogue.values()
    ]


def _availability(entry: Provider, environment: Mapping[str, str], settings: CatalogueSettings) -> tuple[str, str]:
    """Whether the provider is available, and why not."""
    if mistakes := credential_mistakes(entry, environment):
        return "no", "; ".join(f"{name} {problem}" for name, problem in mistakes.items())
    if entry.sites and not any(site.offered for site in entry.sites.values()):
        setting = environment_name(entry.slug, "sites")
        return "no", f"no site is offered: set {setting} to one or more of {','.join(entry.sites)}"
    missing = [] if _sites(entry, environment) else missing_variables(entry, environment)
    remedy = f"set {' and '.join(missing)}"
    match missing:
        case []:
            return "yes", ""
        case _ if entry.slug == SANDBOX:
            off = "TENDON_SANDBOX is 0" if settings.dev else "it runs with TENDON_AUTH=dev only"
            return "no", f"{off}; for a sandbox elsewhere {remedy}, and SANDBOX_ORIGIN to its address"
        case _ if len(missing) == len(credential_names(entry)):
            return "no", f"no credentials: {remedy}"
        case _:
            names = [name for name in credential_names(entry) if environment_name(entry.slug, name) in missing]
            return "no", f"no {' and no '.join(name.replace('_', ' ') for name in names)}: {remedy}"


def _sites(entry: Provider, environment: Mapping[str, str]) -> list[Provider]:
    """The entry at each site that users can connect to."""
    offered = [entry.at_sites[id_] for id_, site in entry.sites.items() if site.offered]
    return [site for site in offered if not missing_variables(site, environment)]


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
