"""`tendon providers`: prints the catalogue, and the vendors that can't be connected. Its further commands are in
`providers_<command>.py`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill
from typing import Any, Final

from gateway import dev_sandbox
from gateway.output import print_result
from gateway.provider_list import ListedProvider, list_providers, list_unsupported, needed_settings
from gateway.settings import CatalogueSettings, SettingsError, read_catalogue_settings, read_environment
from gateway.settings.warnings import catalogue_warnings, unknown_settings
from providers.catalogue import Catalogue, CatalogueError, read_catalogue
from providers.unsupported import Unsupported

_HEADER: Final = ("slug", "category", "available", "sign-ups", "ends", "sites", "reason")
_WIDTH: Final = 118
# Nothing is served, so the value doesn't matter.
_ORIGIN: Final = "http://127.0.0.1:8000"


def run(*, as_json: bool = False) -> None:
    """Print a table or, if `as_json`, everything. Raises SettingsError when the catalogue can't be read."""
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
    listed, unsupported = list_providers(catalogue, settings, environment), list_unsupported(catalogue)
    print_result(json.dumps(_document(listed, unsupported), indent=2) if as_json else _text(listed, unsupported))


def _read(settings: CatalogueSettings, environment: Mapping[str, str]) -> tuple[Catalogue, CatalogueError | None]:
    """The entries that can be read, and what is wrong with others."""
    private = settings.private_providers
    try:
        return read_catalogue(settings.catalogue, variables=environment, allow_private=private), None
    except CatalogueError as fault:
        return fault.readable, fault


def _text(listed: Sequence[ListedProvider], unsupported: Mapping[str, Unsupported]) -> str:
    names = max(map(len, unsupported), default=0) + 2
    vendors = [
        fill(
            f"{slug:{names}}{' '.join(filter(None, [vendor.reason, vendor.instead]))}",
            _WIDTH,
            subsequent_indent=" " * names,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for slug, vendor in unsupported.items()
    ]
    return "\n".join([_table([_HEADER, *map(_row, listed)]), "", "can't be connected:", *vendors])


def _row(listed: ListedProvider) -> tuple[str, ...]:
    entry = listed.entry
    return (
        entry.slug,
        entry.category,
        "no" if listed.reason else "yes",
        entry.lifecycle.sign_ups,
        str(entry.lifecycle.ends or ""),
        " ".join(listed.sites),
        listed.reason or "",
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _document(listed: Sequence[ListedProvider], unsupported: Mapping[str, Unsupported]) -> dict[str, Any]:
    return {
        "providers": [dict(_members(each)) for each in listed],
        "unsupported": [
            {"slug": slug, "name": vendor.name, "reason": vendor.reason, "instead": vendor.instead}
            for slug, vendor in unsupported.items()
        ],
    }


def _members(listed: ListedProvider) -> Iterator[tuple[str, Any]]:
    entry = listed.entry
    yield "slug", entry.slug
    yield "name", entry.name
    yield "category", entry.category
    yield "docs", entry.docs
    yield "available", listed.reason is None
    yield "reason", listed.reason
    yield "variables", needed_settings(entry)
    yield "unset", list(listed.unset)
    yield "sign_ups", entry.lifecycle.sign_ups
    yield "ends", None if entry.lifecycle.ends is None else entry.lifecycle.ends.isoformat()
    yield "portal", entry.registration.portal
    yield "sites", [{"id": id_, "name": site.name, "offered": site.offered} for id_, site in entry.sites.items()]
    yield "open_sites", entry.open_sites
    yield "connectable_sites", list(listed.sites)
    yield "scopes", list(entry.authorize.scopes)
    yield "pkce", entry.authorize.pkce
    yield "pkce_checked", entry.authorize.pkce_checked
    yield "client_auth", entry.token.auth
    yield "refresh", entry.token.refresh
    yield "revocation", None if entry.revoke is None else entry.revoke.ends
