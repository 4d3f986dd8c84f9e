"""`tendon providers try`: walks through a flow with an entry, at the provider or at the sandbox."""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from starlette.routing import BaseRoute, Mount

from gateway.authors.loopback import bound, serving, typed_lines
from gateway.authors.redirect import Arrivals
from gateway.authors.tracing import TracingClient
from gateway.authors.walk import Choices, Walk
from gateway.dev_sandbox import ORIGIN_VARIABLE
from gateway.output import print_notice
from gateway.provider_list import all_of, missing_settings
from gateway.settings import CatalogueSettings, SettingsError, read_catalogue_settings, read_environment
from gateway.settings.registrations import credential_mistakes
from providers.catalogue import BUILT_IN, SANDBOX, CatalogueError, Provider, files_of, read_credentials, read_entry
from providers.credentials import (
    NO_KEYS,
    Credentials,
    SigningKey,
    credential_names,
    environment_name,
)
from providers.entry.token import AssertionAlgorithm
from providers.open_sites import sites_of_file, sites_setting
from providers.unsupported import read_unsupported
from sandbox.app import Client, create_app
from sandbox.dialect import read_dialects, rebase

PORT: Final = 8765
_FAILED: Final = 1
_LOOPBACK: Final = ("127.0.0.1", "localhost")


class _Trial(msgspec.Struct, frozen=True):
    """An entry to try, our registration with its provider, and what must be served besides the redirect."""

    entry: Provider
    credentials: Credentials
    routes: list[BaseRoute]
    is_sandbox: bool


class _Place(msgspec.Struct, frozen=True):
    """Where the flow takes place: the port and the redirect URI here, the provider's site, and whether it is played by
    the `sandbox` in any case."""

    port: int
    redirect_uri: str
    site: str | None
    sandbox: bool


def run(
    *,
    slug: str | None,
    file: Path | None,
    sandbox: bool,
    site: str | None,
    port: int | None,
    redirect_uri: str | None,
    no_browser: bool,
    refresh: bool,
    revoke: bool,
    record: Path | None,
) -> None:
    """Exits with status 1 if the flow failed."""
    settings, environment = read_catalogue_settings(), read_environment()
    path = _file(slug, file, settings)
    chosen = port or _port_of(redirect_uri) or PORT
    uri = redirect_uri or f"http://127.0.0.1:{chosen}/callback"
    with tempfile.TemporaryDirectory() as folder:
        trial = _trial(path, settings, environment, _Place(chosen, uri, site, sandbox), Path(folder))
    with _listener(chosen) as listener:
        _introduce(trial, uri, settings, environment)
        choices = Choices(uri, not no_browser, True if refresh or trial.is_sandbox else None, revoke, record)
        client = TracingClient(allow_private=settings.private_providers or trial.is_sandbox)
        if record is not None and trial.is_sandbox:
            print_notice(f"What is recorded are the sandbox's answers, and not those of {trial.entry.name}.")
        worked = asyncio.run(_walk(trial, choices, client, listener))
    if not worked:
        sys.exit(_FAILED)


async def _walk(trial: _Trial, choices: Choices, client: TracingClient, listener: socket.socket) -> bool:
    typed = typed_lines()
    walk = Walk(trial.entry, trial.credentials, client, print_notice, partial(_ask, typed))
    try:
        async with serving(listener, urlsplit(choices.redirect_uri).path or "/", trial.routes) as redirects:
            return await walk.run(choices, Arrivals(redirects, typed))
    finally:
        await client.aclose()


async def _ask(typed: asyncio.Queue[str], question: str) -> bool:
    print_notice(question)
    if not sys.stdin.isatty():
        print_notice("There is no terminal to answer: give --refresh for a refresh.")
        return False
    return (await typed.get()).lower() in ("y", "yes")


def _file(slug: str | None, file: Path | None, settings: CatalogueSettings) -> Path:
    """The file of the entry. Raises SettingsError."""
    if file is not None:
        if slug is not None and slug != file.stem:
            raise SettingsError(f"--file: is not an entry for {slug}; leave out one of both")
        return file
    if slug is None:
        raise SettingsError("SLUG or --file must be given")
    files = files_of(BUILT_IN) | (files_of(settings.catalogue) if settings.catalogue is not None else {})
    if slug in files:
        return files[slug]
    if slug in (unsupported := read_unsupported()):
        raise SettingsError(f"SLUG: {unsupported[slug].name} can't be connected: {unsupported[slug].reason}")
    nearest = get_close_matches(slug, files, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else "`tendon providers` lists all, and --file names a file"
    raise SettingsError(f"SLUG: the catalogue has no {slug}: {hint}")


def _trial(
    path: Path,
    settings: CatalogueSettings,
    environment: Mapping[str, str],
    at: _Place,
    folder: Path,
) -> _Trial:
    """At the sandbox if that is wanted, or if there are no credentials. Raises SettingsError."""
    entry = _at_site(_read(path, environment, allow_private=settings.private_providers), at.site)
    if not at.sandbox and (credentials := _credentials(entry, settings, environment)) is not None:
        return _Trial(entry, credentials, [], is_sandbox=False)
    origin = f"http://127.0.0.1:{at.port}/sandbox"
    text = path.read_text("utf-8")
    text = rebase(text, origin, sites_of_file(text, environment))
    if entry.slug == SANDBOX:
        text = text.replace(ORIGIN_VARIABLE, origin)
    (folder / path.name).write_text(text, encoding="utf-8")
    entry = _at_site(_read(folder / path.name, {}, allow_private=True), at.site)
    names = credential_names(entry)
    values = {environment_name(entry.slug, name): f"sandbox-{name}" for name in names}
    keys = (_new_key(entry.token.algorithm),) if entry.token.algorithm is not None else NO_KEYS
    credentials = read_credentials(entry, values, keys)
    if credentials is None:
        raise SettingsError(f"{path.name}: the sandbox can't play it")
    client = Client(
        credentials.client_id,
        credentials.client_secret or "",
        (at.redirect_uri,),
        keys=tuple(key.public for key in keys),
    )
    dialects = read_dialects(tomllib.loads(text))
    app = create_app(dialects, {dialect.key: client for dialect in dialects})
    return _Trial(entry, credentials, [Mount("/sandbox", app)], is_sandbox=True)


def _new_key(algorithm: AssertionAlgorithm) -> SigningKey:
    # Imported here, because few providers need it.
    from providers.client_keys import new_key  # noqa: PLC0415

    return new_key(algorithm)


def _credentials(entry: Provider, settings: CatalogueSettings, environment: Mapping[str, str]) -> Credentials | None:
    if mistakes := credential_mistakes(entry, environment):
        raise SettingsError("\n".join(f"{name}: {problem}" for name, problem in mistakes.items()))
    return read_credentials(entry, environment, settings.client_keys)


def _read(path: Path, environment: Mapping[str, str], *, allow_private: bool) -> Provider:
    try:
        return read_entry(path, variables=environment, allow_private=allow_private)
    except CatalogueError as fault:
        raise SettingsError(str(fault)) from None


def _at_site(entry: Provider, site: str | None) -> Provider:
    """The entry at one of its sites, by default the first. Raises SettingsError."""
    if entry.open_sites and not entry.at_sites:
        raise SettingsError(f"{sites_setting(entry.slug)}: must name a site of {entry.name}")
    if not entry.at_sites:
        if site is not None:
            raise SettingsError(f"--site: {entry.slug} has no sites")
        return entry
    chosen = site or next(iter(entry.at_sites))
    if chosen not in entry.at_sites:
        raise SettingsError(f"--site: must be one of {', '.join(entry.at_sites)}")
    return entry.at_sites[chosen]


def _introduce(trial: _Trial, redirect_uri: str, settings: CatalogueSettings, environment: Mapping[str, str]) -> None:
    entry = trial.entry
    at = f" (site {entry.site})" if entry.site else ""
    if trial.is_sandbox:
        missing = missing_settings(entry, settings, environment)
        why = f" To try it at {entry.name} itself, set {all_of(missing)}." if missing else ""
        print_notice(f"Trying {entry.name}{at} at the sandbox, which imitates it by its entry.{why}")
        return
    print_notice(f"Trying {entry.name}{at} with your own app. Nothing is stored.")
    print_notice(f"Redirect URI, which your app at {entry.name} must have registered: {redirect_uri}")
    for hint in (entry.registration.portal, entry.registration.note):
        if hint is not None:
            print_notice(f"  {hint}")


def _port_of(redirect_uri: str | None) -> int | None:
    """The port of a redirect URI that leads to this machine."""
    parts = urlsplit(redirect_uri or "")
    try:
        return parts.port if parts.hostname in _LOOPBACK else None
    except ValueError:
        raise SettingsError("--redirect-uri: has a port that is no number") from None


def _listener(port: int) -> socket.socket:
    try:
        return bound(port)
    except OSError as fault:
        raise SettingsError(f"--port: can't listen on {port}: {fault.strerror}; choose another one") from None
