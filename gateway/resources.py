"""Opens the resources that resolvers use: database, vault, HTTP client, catalogue. Server, workers and commands alike
call it.

    configuration = configure(settings, read_environment())
    async with open_resources(configuration) as resources:
        ...

`configure` opens nothing, so a process can fork after it, and the children share the result.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

import msgspec

from gateway.settings import Settings
from gateway.settings.registrations import read_registrations
from gateway.settings.vault_keys import open_vault
from models.database import open_database
from models.vault import Vault
from providers.catalogue import SANDBOX, Catalogue
from resolvers.background import Background
from resolvers.context import Registration, Resources
from resolvers.redirects import RedirectAllowList
from wire.http.client import open_client
from wire.http.connecting import trusted_authorities


class Configuration(msgspec.Struct, frozen=True):
    """The content of the settings and the environment, parsed and validated. It holds no thread, event loop or
    connection."""

    settings: Settings
    vault: Vault
    catalogue: Catalogue
    registrations: Mapping[str, Registration]
    redirects: RedirectAllowList


def configure(
    settings: Settings, environment: Mapping[str, str], redirect_uris: Sequence[str] | None = None
) -> Configuration:
    """`redirect_uris` replaces those of the settings. Raises SettingsError for keys, catalogue entries or credentials
    that can't be used."""
    vault = open_vault(settings)
    catalogue, registrations = read_registrations(settings, environment)
    # The sandbox is listed only if it is available.
    shown = {slug: entry for slug, entry in catalogue.items() if slug != SANDBOX or slug in registrations}
    redirects = RedirectAllowList(settings.redirect_uris.split() if redirect_uris is None else redirect_uris)
    if not settings.private_providers:
        # Providers are reached by https only. Processes that are forked after this share what it loads.
        trusted_authorities()
    return Configuration(settings, vault, shown, registrations, redirects)


@asynccontextmanager
async def open_resources(configuration: Configuration) -> AsyncGenerator[Resources]:
    """The resources, open while the block runs. At its end, background tasks are finished first.

    Raises DatabaseDown and OSError for an SQLite file that can't be used. PostgreSQL is connected to on demand.
    """
    settings = configuration.settings
    async with (
        open_database(settings.database_url, settings.database_limits) as database,
        aclosing(open_client(allow_private=settings.private_providers, timeout=settings.provider_timeout)) as client,
    ):
        resources = Resources(
            catalogue=configuration.catalogue,
            registrations=configuration.registrations,
            redirects=configuration.redirects,
            database=database,
            vault=configuration.vault,
            client=client,
            provider_timeout=settings.provider_timeout,
            background=Background(),
            retention=timedelta(days=settings.retention),
            account_policy=settings.account_policy,
        )
        resources.background.on_drain(resources.repeats.close)
        try:
            yield resources
        finally:
            await resources.background.drain()
