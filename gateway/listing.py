"""The table that `tendon providers` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from gateway import practice
from gateway.settings import CatalogueSettings, SettingsError
from gateway.settings.registrations import credential_mistakes
from providers.catalogue import SANDBOX, CatalogueError, Provider, read_catalogue
from providers.credentials import missing_variables

_HEAD: Final = ("slug", "name", "available", "reason", "pkce", "client auth", "refresh", "scopes", "docs")
# Nothing is served, so any origin will do.
_ORIGIN: Final = "http://127.0.0.1:8000"


def listing(settings: CatalogueSettings, environment: Mapping[str, str]) -> str:
    """One line per provider, available or not as with `tendon serve` and the same settings.

    Raises SettingsError when the catalogue can't be read.
    """
    mounted = settings.dev and settings.with_sandbox
    known = practice.environment(settings, _ORIGIN, environment) if mounted else environment
    try:
        catalogue = read_catalogue(settings.catalogue, variables=known, allow_private=settings.private_providers)
    except CatalogueError as fault:
        raise SettingsError(str(fault)) from None
    rows = [
        (
            entry.slug,
            entry.name,
            *_availability(entry, known, settings),
            entry.authorize.pkce,
            entry.token.auth,
            entry.token.refresh,
            entry.authorize.scope_separator.join(entry.authorize.scopes),
            entry.docs,
        )
        for entry in catalogue.values()
    ]
    return _table([_HEAD, *rows])


def _availability(entry: Provider, environment: Mapping[str, str], settings: CatalogueSettings) -> tuple[str, str]:
    """Whether the provider is available, and why or why not."""
    if mistakes := credential_mistakes(entry.slug, environment):
        return "no", "; ".join(f"{name} {problem}" for name, problem in mistakes.items())
    missing = missing_variables(entry, environment)
    mend = f"set {' and '.join(missing)}"
    match missing:
        case []:
            return "yes", ""
        case _ if entry.slug == SANDBOX:
            off = "TENDON_SANDBOX is 0" if settings.dev else "it runs with TENDON_AUTH=dev only"
            return "no", f"{off}; for a sandbox elsewhere {mend}, and SANDBOX_ORIGIN to its address"
        case [name] if entry.token.auth != "none":
            return "no", f"no {'client secret' if name.endswith('SECRET') else 'client id'}: {mend}"
        case _:
            return "no", f"no credentials: {mend}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
