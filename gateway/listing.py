"""The table that `tendon providers` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.settings import CatalogueSettings, SettingsError
from providers.catalogue import CatalogueError, read_catalogue, read_credentials

_HEAD = ("slug", "name", "configured", "pkce", "client auth", "refresh", "scopes", "docs")


def listing(settings: CatalogueSettings, environment: Mapping[str, str]) -> str:
    """One line a provider. Raises SettingsError when the catalogue can't be read."""
    private = settings.private_providers
    try:
        catalogue = read_catalogue(settings.catalogue, variables=environment, allow_private=private)
    except CatalogueError as fault:
        raise SettingsError(str(fault)) from None
    rows = [
        (
            entry.slug,
            entry.name,
            "yes" if read_credentials(entry, environment) else "no",
            entry.authorize.pkce,
            entry.token.auth,
            entry.token.refresh,
            entry.authorize.scope_separator.join(entry.authorize.scopes),
            entry.docs,
        )
        for entry in catalogue.values()
    ]
    return _table([_HEAD, *rows])


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
