"""`tendon sandbox`: serves only the sandbox, which imitates every provider in the catalogue."""

from __future__ import annotations

import gc
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from starlette.types import ASGIApp

from gateway import logs
from gateway.address import is_loopback, origin_of
from gateway.dev_sandbox import ORIGIN_VARIABLE
from gateway.greeting import sandbox_greeting
from gateway.output import print_notice
from gateway.server import run as serve
from gateway.settings import SandboxSettings, SettingsError, read_environment, read_sandbox_settings
from providers.catalogue import BUILT_IN, SANDBOX, CatalogueError, read_catalogue
from providers.credentials import environment_name
from providers.open_sites import sites_of_file
from resolvers.redirects import RedirectAllowList
from sandbox.app import Client, create_app
from sandbox.dialect import Dialect, read_dialects, rebase
from sandbox.settings import SettingError, read_settings

# The connect page of a gateway on any port of this machine.
_CONNECT_PAGES: Final = ("http://127.0.0.1:*/connect", "http://localhost:*/connect")


def run(
    *,
    host: str,
    port: int,
    redirect_uri: list[str] | None,
    write_catalogue: Path | None,
    behaviour: list[str] | None,
) -> None:
    if not is_loopback(host):
        raise SettingsError(
            "--host: the sandbox exposes its tokens without authentication, so it serves on a loopback address only"
        )
    logs.set_up("INFO")
    origin = origin_of(host, port)
    settings, environment = read_sandbox_settings(), read_environment()
    redirect_uris = [*_validated(redirect_uri or []), *settings.redirect_uris.split(), *_CONNECT_PAGES]
    app = _create_app(settings, environment, origin, redirect_uris, write_catalogue, behaviour or [])
    gc.enable()
    serve(app, host, port, announce=lambda: print_notice(sandbox_greeting(origin, write_catalogue)))


def _validated(redirect_uris: list[str]) -> list[str]:
    try:
        RedirectAllowList(redirect_uris)
    except ValueError as fault:
        raise SettingsError("\n".join(f"--redirect-uri: {line}" for line in str(fault).splitlines())) from None
    return redirect_uris


def _create_app(
    settings: SandboxSettings,
    environment: Mapping[str, str],
    origin: str,
    redirect_uris: Sequence[str],
    write_catalogue: Path | None,
    behaviour: Sequence[str],
) -> ASGIApp:
    """The sandbox, served at `origin`. The credentials of each provider are those of the environment, by default
    `tendon` and `sandbox`, and `sandbox-` and its name for a further secret. Public keys are those of
    TENDON_CLIENT_KEYS.

    With `write_catalogue`, it writes the entries into that folder, with their addresses replaced by the sandbox's.
    Raises SettingsError.
    """
    folder = settings.catalogue
    if folder is not None and write_catalogue is not None and folder.resolve() == write_catalogue.resolve():
        raise SettingsError("--write-catalogue: would overwrite the catalogue that it reads; name another folder")
    texts = {
        slug: rebase(text, origin, sites_of_file(text, environment))
        for slug, text in _entries(folder, environment).items()
    }
    if SANDBOX in texts:
        texts[SANDBOX] = texts[SANDBOX].replace(ORIGIN_VARIABLE, origin)
    dialects = [dialect for text in texts.values() for dialect in read_dialects(tomllib.loads(text))]
    keys = tuple(key.public for key in settings.client_keys)
    clients = {dialect.key: _client(dialect, environment, tuple(redirect_uris), keys) for dialect in dialects}
    changes = _changes(behaviour, list(texts))
    if write_catalogue is not None:
        write_catalogue.mkdir(parents=True, exist_ok=True)
        for slug, text in texts.items():
            (write_catalogue / f"{slug}.toml").write_text(text, encoding="utf-8")
    return create_app(dialects, clients, changes)


def _client(
    dialect: Dialect,
    environment: Mapping[str, str],
    redirect_uris: tuple[str, ...],
    keys: tuple[Mapping[str, str], ...],
) -> Client:
    """The registration at a provider, or at one of its sites."""

    def value(name: str) -> str | None:
        names = [environment_name(dialect.slug, name)]
        if dialect.site:
            names.insert(0, environment_name(dialect.slug, f"{dialect.site}_{name}"))
        return next((environment[one] for one in names if environment.get(one)), None)

    secrets = {name: found for name in dialect.secrets if (found := value(name))}
    return Client(value("client_id") or "tendon", value("client_secret") or "sandbox", redirect_uris, secrets, keys)


def _changes(options: Sequence[str], slugs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The settings by slug, from options such as `access_life=30` and `whoop.access_life=30`. Raises SettingsError."""
    changes: dict[str, dict[str, Any]] = {}
    for number, option in enumerate(options, 1):
        left, equals, value = option.partition("=")
        slug, _, name = left.rpartition(".")
        if not equals or (slug and slug not in slugs):
            raise SettingsError(f"--set: entry {number} must be NAME=VALUE, or SLUG.NAME=VALUE with a known provider")
        try:
            change = read_settings({name: value})
        except SettingError as fault:
            raise SettingsError(f"--set: entry {number}: {fault}") from None
        for one in [slug] if slug else slugs:
            changes.setdefault(one, {}).update(change)
    return changes


def _entries(folder: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    """The text of each entry. The operator's entry replaces the built-in one of the same slug. Raises SettingsError if
    any is invalid."""
    try:
        slugs = read_catalogue(folder, variables=environment, allow_private=True)
    except CatalogueError as fault:
        raise SettingsError(str(fault)) from None
    return {slug: _file(slug, folder).read_text(encoding="utf-8") for slug in slugs}


def _file(slug: str, folder: Path | None) -> Path:
    own = folder / f"{slug}.toml" if folder is not None else None
    return own if own is not None and own.exists() else BUILT_IN / f"{slug}.toml"
