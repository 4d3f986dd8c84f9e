"""Warnings about settings that have no effect or are risky. They are logged at each start, which they don't prevent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.address import is_loopback
from gateway.settings.environment import names_in_file, quotation_problem
from gateway.settings.model import REQUIRED_TOGETHER, CatalogueSettings, Settings, required, variable
from providers.catalogue import BUILT_IN, NO_ENTRIES, Catalogue, environment_names, files_of, ignored_files
from providers.credentials import environment_name, missing_variables, own_variables
from providers.open_sites import site_variable, sites_setting
from wire.tables import keys

_PREFIX: Final = variable("")
_NAMES: Final = frozenset(variable(field) for field in keys(Settings))
# Minimum similarity of a whole name to one of ours: so close that hardly another program uses it.
_CLOSE: Final = 0.88
# Minimum similarity of two names without the prefix TENDON_, which would make all of them similar.
_SIMILAR: Final = 0.75
# The names in the environment that are compared with ours.
_LIKE_OURS: Final = re.compile(r"T[A-Z]{3,7}_\w+|\w*(CLIENT|SECRET)\w*|\w+_SITES?", re.IGNORECASE)
_CREDENTIAL: Final = re.compile(r"[A-Z0-9_]+_CLIENT_(ID|SECRET)")


class SettingsWarning(msgspec.Struct, frozen=True):
    """`event` is the log event, `about` names a variable or file, `reason` says what to do. None contains a value."""

    event: str
    about: str
    reason: str


def settings_warnings(
    settings: Settings, environment: Mapping[str, str], catalogue: Catalogue = NO_ENTRIES
) -> Iterator[SettingsWarning]:
    """All warnings of `tendon serve`. `catalogue` has the entries, which may have sites and further secrets."""
    if settings.private_providers and not settings.dev:
        yield SettingsWarning(
            "private.providers",
            variable("allow_private_providers"),
            "allows catalogue URLs with http, or into your own network: remove it outside dev",
        )
    yield from _plain_redirect_uris(settings)
    yield from _pages_outside_dev(settings)
    yield from _unused_settings(settings)
    yield from _unused_keys(settings, environment, catalogue)
    yield from unknown_settings(settings, environment, catalogue)
    yield from catalogue_warnings(settings, environment, catalogue)


def unknown_settings(
    settings: CatalogueSettings | None, environment: Mapping[str, str], catalogue: Catalogue = NO_ENTRIES
) -> Iterator[SettingsWarning]:
    """Names that are probably misspelt settings. Without `settings`, only the built-in catalogue is known."""
    credentials = _credentials(settings) | _names_of(catalogue)
    for name in sorted(environment.keys() - credentials - _NAMES):
        if name.upper().startswith(_PREFIX):
            hint = _similar_setting(name, credentials)
        elif _LIKE_OURS.fullmatch(name):
            hint = _similar(name, _NAMES, _CLOSE)
        else:
            hint = ""
        if hint or name.upper().startswith(_PREFIX):
            yield SettingsWarning("setting.unknown", name, f"is not a setting and is ignored{hint}")


def catalogue_warnings(
    settings: CatalogueSettings, environment: Mapping[str, str], catalogue: Catalogue = NO_ENTRIES
) -> Iterator[SettingsWarning]:
    """Files that are not entries, and credentials of unknown providers."""
    folder = settings.catalogue
    if folder is not None:
        for line in ignored_files(folder):
            name, _, reason = line.partition(": ")
            yield SettingsWarning("catalogue.file.ignored", name, reason)
        if not files_of(folder):
            yield SettingsWarning(
                "catalogue.empty", variable("catalogue"), "the folder holds no file named <slug>.toml"
            )
    yield from _sites_of_none(catalogue, environment)
    yield from _variables_of_no_site(catalogue, environment)
    yield from _unknown_credentials(_credentials(settings) | _names_of(catalogue), _secrets(catalogue), environment)


def _plain_redirect_uris(settings: Settings) -> Iterator[SettingsWarning]:
    """Redirect URIs whose codes can be read in transit. There are none in dev mode, which serves this machine only."""
    entries = () if settings.dev else enumerate(settings.redirect_uris.split(), 1)
    plain = [f"entry {number}" for number, entry in entries if _is_plain_http(entry)]
    if plain:
        reason = f"plain http to another machine, so codes can be read in transit ({', '.join(plain)}): write https"
        yield SettingsWarning("plain.http", variable("redirect_uris"), reason)


def _is_plain_http(redirect_uri: str) -> bool:
    parts = urlsplit(redirect_uri)
    host = parts.hostname or ""
    return parts.scheme == "http" and not (is_loopback(host) or host.endswith(".localhost"))


def _pages_outside_dev(settings: Settings) -> Iterator[SettingsWarning]:
    if settings.dev:
        return
    if settings.explorer:
        yield SettingsWarning(
            "explore.open",
            variable("explore"),
            "makes GraphiQL and introspection available to anyone who can reach this service: remove it unless this is"
            " intended",
        )
    # The connect page is its own redirect URI.
    if settings.with_connect_page and not any(
        urlsplit(uri).path == "/connect" for uri in settings.redirect_uris.split()
    ):
        yield SettingsWarning(
            "connect.page.unusable",
            variable("connect_page"),
            "nobody can connect on this page: add its address to TENDON_REDIRECT_URIS, such as"
            " https://tendon.example/connect",
        )


def _unused_settings(settings: Settings) -> Iterator[SettingsWarning]:
    auth, present = settings.auth, settings.given
    used = {*required(auth), *(() if settings.dev else ("audience",))}
    for field in [field for fields in REQUIRED_TOGETHER.values() for field in fields]:
        if field in present - used:
            yield SettingsWarning("setting.unused", variable(field), f"TENDON_AUTH={auth} does not use it")
    if "services" in present and "jwt" not in auth:
        reason = (
            "uses dev-service:NAME instead"
            if settings.dev
            else "refuses the tokens of services: write introspection+jwt"
        )
        yield SettingsWarning("setting.unused", variable("services"), f"TENDON_AUTH={auth} {reason}")
    if "database_pool" in present and settings.database_url.startswith("sqlite:"):
        yield SettingsWarning("setting.unused", variable("database_pool"), "SQLite does not use it")


def _unused_keys(settings: Settings, environment: Mapping[str, str], catalogue: Catalogue) -> Iterator[SettingsWarning]:
    places = [one for entry in catalogue.values() for one in entry.everywhere]
    signing = [one for one in places if one.token.algorithm and not missing_variables(one, environment)]
    if settings.client_keys and not signing:
        reason = "no provider that has credentials requires a signature"
        yield SettingsWarning("setting.unused", variable("client_keys"), reason)


def _credentials(settings: CatalogueSettings | None) -> set[str]:
    """The variables of all providers' credentials, including built-in providers that are not available."""
    folder = None if settings is None else settings.catalogue
    slugs = {*files_of(BUILT_IN), *(files_of(folder) if folder is not None else ())}
    return {environment_name(slug, kind) for slug in slugs for kind in ("client_id", "client_secret")}


def _names_of(catalogue: Catalogue) -> set[str]:
    return {name for entry in catalogue.values() for name in environment_names(entry)}


def _secrets(catalogue: Catalogue) -> set[str]:
    places = [one for entry in catalogue.values() for one in entry.everywhere]
    return {name for one in places for kind, name in own_variables(one).items() if kind != "client_id"}


def _sites_of_none(catalogue: Catalogue, environment: Mapping[str, str]) -> Iterator[SettingsWarning]:
    for slug, entry in catalogue.items():
        name = environment_name(slug, "sites")
        if not entry.has_sites and name in environment and name not in _names_of(catalogue):
            yield SettingsWarning("setting.unused", name, f"{entry.name} has no sites")


def _variables_of_no_site(catalogue: Catalogue, environment: Mapping[str, str]) -> Iterator[SettingsWarning]:
    """Values for sites of the operator's, such as a hospital's host, that are forgotten where sites are named."""
    for slug, entry in catalogue.items():
        for needed in entry.site_variables:
            known = {environment_name(slug, needed), *(site_variable(slug, site, needed) for site in entry.sites)}
            begin, end = environment_name(slug, ""), environment_name("", needed)
            for name in sorted(environment.keys() - known):
                if name.startswith(begin) and name.endswith(end):
                    yield SettingsWarning("setting.unused", name, f"{sites_setting(slug)} doesn't name this site")


def _unknown_credentials(
    known: set[str], secrets: set[str], environment: Mapping[str, str]
) -> Iterator[SettingsWarning]:
    in_file = names_in_file()
    for name in sorted(environment):
        if name in known | _NAMES:
            if (name.endswith("_SECRET") or name in secrets) and quotation_problem(environment[name]):
                yield SettingsWarning(
                    "setting.quoted", name, "the quotation marks around it count as part of the secret"
                )
        elif _LIKE_OURS.fullmatch(name) and not name.upper().startswith(_PREFIX):
            hint = _similar(name, known, _CLOSE)
            # Other programs' variables are not our concern, unless they are in `.env`.
            if hint or (name in in_file and _CREDENTIAL.fullmatch(name)):
                yield SettingsWarning("credentials.unknown", name, f"no provider of the catalogue has this name{hint}")


def _similar_setting(name: str, credentials: set[str]) -> str:
    names = {known.removeprefix(_PREFIX): known for known in credentials | _NAMES}
    nearest = get_close_matches(name.upper().removeprefix(_PREFIX), sorted(names), n=1, cutoff=_SIMILAR)
    return f": did you mean {names[nearest[0]]}?" if nearest else ""


def _similar(name: str, known: frozenset[str] | set[str], cutoff: float) -> str:
    nearest = get_close_matches(name.upper(), sorted(known), n=1, cutoff=cutoff)
    return f": did you mean {nearest[0]}?" if nearest else ""
