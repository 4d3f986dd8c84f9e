"""The sandbox beside the gateway, for a laptop: mounted under `/sandbox`, with a registration made up at each start."""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from gateway.settings import CatalogueSettings, SandboxSettings, Settings, SettingsError
from providers.catalogue import BUILT_IN, SANDBOX, CatalogueError, read_catalogue
from providers.credentials import environment_name

_PATH: Final = "/sandbox"
# As the sandbox's own entry writes its address.
_VARIABLE: Final = "{origin}"
# The connect page of a gateway on this machine, on any port.
_CONNECT_PAGES: Final = ("http://127.0.0.1:*/connect", "http://localhost:*/connect")


def redirect_uris(settings: Settings, origin: str) -> list[str]:
    """The allow-list: what the operator set, and in dev our own connect page, under both names of this machine."""
    return [*_connect_page(settings, origin), *settings.redirect_uris.split()]


def _connect_page(settings: Settings, origin: str) -> list[str]:
    if not (settings.dev and settings.with_connect_page):
        return []
    port = origin.rpartition(":")[2]
    return [f"{host}/connect" for host in (origin, f"http://localhost:{port}")]


def environment(settings: CatalogueSettings, origin: str, given: Mapping[str, str]) -> Mapping[str, str]:
    """The environment, in which the mounted sandbox knows us. What the operator set stands."""
    if not settings.with_sandbox:
        return given
    made_up = {
        "SANDBOX_ORIGIN": origin + _PATH,
        "SANDBOX_CLIENT_ID": "tendon",
        "SANDBOX_CLIENT_SECRET": secrets.token_urlsafe(24),
    }
    return made_up | dict(given)


def routes(settings: Settings, environment: Mapping[str, str], redirects: list[str]) -> list[BaseRoute]:
    """The sandbox's own addresses, where it is switched on."""
    if not settings.with_sandbox:
        return []
    # Imported here: production never loads it.
    from sandbox.app import Client, create_app  # noqa: PLC0415
    from sandbox.dialect import Dialect  # noqa: PLC0415

    entry = (BUILT_IN / f"{SANDBOX}.toml").read_text(encoding="utf-8").replace(_VARIABLE, environment["SANDBOX_ORIGIN"])
    client = Client(environment["SANDBOX_CLIENT_ID"], environment["SANDBOX_CLIENT_SECRET"], tuple(redirects))
    return [Mount(_PATH, create_app([Dialect.read(tomllib.loads(entry))], {SANDBOX: client}))]


def standalone(
    settings: SandboxSettings,
    given: Mapping[str, str],
    origin: str,
    *,
    redirect_uris: Sequence[str] = (),
    written: Path | None = None,
) -> ASGIApp:
    """The sandbox alone, in the dialect of every entry of the catalogue and of the operator's folder.

    It accepts `redirect_uris`, the redirect URIs of the settings and the connect page on this machine. Credentials are
    `<SLUG>_CLIENT_ID` and `<SLUG>_CLIENT_SECRET`, else `tendon` and `sandbox`. With `written`, the entries are written
    into that folder with their addresses replaced by the sandbox's. Raises SettingsError.
    """
    from sandbox.app import Client, create_app  # noqa: PLC0415
    from sandbox.dialect import Dialect, rebase  # noqa: PLC0415

    extra = settings.catalogue
    if extra is not None and written is not None and extra.resolve() == written.resolve():
        raise SettingsError("--write-catalogue: would overwrite the catalogue that it reads; name another folder")
    texts = {slug: rebase(text, origin).replace(_VARIABLE, origin) for slug, text in _entries(extra, given).items()}
    dialects = [Dialect.read(tomllib.loads(text)) for text in texts.values()]
    redirects = (*redirect_uris, *settings.redirect_uris.split(), *_CONNECT_PAGES)
    clients = {
        slug: Client(
            given.get(environment_name(slug, "client_id"), "tendon"),
            given.get(environment_name(slug, "client_secret"), "sandbox"),
            redirects,
        )
        for slug in texts
    }
    if written is not None:
        written.mkdir(parents=True, exist_ok=True)
        for slug, text in texts.items():
            (written / f"{slug}.toml").write_text(text, encoding="utf-8")
    return create_app(dialects, clients)


def _entries(extra: Path | None, given: Mapping[str, str]) -> dict[str, str]:
    """The text of each entry, once all are known to be good."""
    try:
        known = read_catalogue(extra, variables=given, allow_private=True)
    except CatalogueError as fault:
        raise SettingsError(str(fault)) from None
    return {slug: _file(slug, extra).read_text(encoding="utf-8") for slug in known}


def _file(slug: str, extra: Path | None) -> Path:
    theirs = extra / f"{slug}.toml" if extra is not None else None
    return theirs if theirs is not None and theirs.exists() else BUILT_IN / f"{slug}.toml"
