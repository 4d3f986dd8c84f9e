"""The settings with their types and defaults, and which of them each value of TENDON_AUTH requires."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from gateway.overload.rate import Rate, read_rate
from gateway.settings.service_clients import ServiceClients, read_service_clients
from gateway.settings.types import (
    AUTH_VALUES,
    AccountPolicy,
    Audience,
    Auth,
    ClientKeys,
    DatabaseTimeout,
    DatabaseURLText,
    Endpoint,
    Folder,
    Issuer,
    LogLevel,
    ProviderTimeout,
    RateLimit,
    RedirectURIs,
    Services,
    SettingsTable,
    VaultKeys,
    number,
    whole_number,
)
from models.engine import Limits
from models.file_modes import OWN_FOLDER
from providers.credentials import NO_KEYS

REQUIRED_TOGETHER: Final[Mapping[str, Mapping[str, str]]] = {
    "introspection": {
        "introspection_url": "the RFC 7662 endpoint, such as https://login.example/oauth2/introspect",
        "introspection_client_id": "Tendon's own client id at the authorization server",
        "introspection_client_secret": "the secret that goes with TENDON_INTROSPECTION_CLIENT_ID",
    },
    "jwt": {
        "jwks_url": "where the issuer publishes its keys, such as https://login.example/.well-known/jwks.json",
        "issuer": "exactly what `iss` of its tokens says, such as https://login.example",
        "audience": "what `aud` of tokens for Tendon says, such as https://tendon.example",
    },
}
"""The settings that each way to verify bearer tokens requires, with a description."""

_DATABASE_URL: Final = f"sqlite://{OWN_FOLDER}/tendon.db"


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return f"TENDON_{field.upper()}"


def required(auth: str) -> dict[str, str]:
    """The settings that this value of TENDON_AUTH requires, with a description."""
    ways = auth.split("+") if auth in AUTH_VALUES else ()
    return {name: what for way in ways for name, what in REQUIRED_TOGETHER.get(way, {}).items()}


class DatabaseSettings(SettingsTable, frozen=True, kw_only=True):
    """The settings of `tendon migrate`."""

    database_url: DatabaseURLText = _DATABASE_URL
    log_level: LogLevel = "INFO"


class ExportSettings(DatabaseSettings, frozen=True, kw_only=True):
    """The settings of `tendon audit export`."""

    database_timeout: DatabaseTimeout = 5


class CatalogueSettings(SettingsTable, frozen=True, kw_only=True):
    """The settings that decide what is in the catalogue. `tendon providers` doesn't require TENDON_AUTH, and uses `dev`
    without it."""

    auth: Auth = "dev"
    catalogue: Folder | None = None
    allow_private_providers: bool | None = None
    client_keys: ClientKeys = NO_KEYS
    sandbox: bool | None = None

    @property
    def dev(self) -> bool:
        return self.auth == "dev"

    @property
    def private_providers(self) -> bool:
        return self.dev if self.allow_private_providers is None else self.allow_private_providers

    @property
    def with_sandbox(self) -> bool:
        return self.dev if self.sandbox is None else self.sandbox


class SandboxSettings(CatalogueSettings, frozen=True, kw_only=True):
    """The settings of `tendon sandbox`: the catalogue, and the redirect URIs that it accepts."""

    redirect_uris: RedirectURIs = ""


class Settings(SandboxSettings, frozen=True, kw_only=True):
    """All settings, which `tendon serve` takes."""

    auth: Auth  # pyright: ignore[reportGeneralTypeIssues] - required here
    database_url: DatabaseURLText = _DATABASE_URL
    database_timeout: DatabaseTimeout = 5
    log_level: LogLevel = "INFO"
    introspection_url: Endpoint | None = None
    introspection_client_id: str | None = None
    introspection_client_secret: str | None = None
    jwks_url: Endpoint | None = None
    issuer: Issuer | None = None
    audience: Audience | None = None
    services: Services = ""
    vault_keys: VaultKeys | None = None
    provider_timeout: ProviderTimeout = 10
    database_pool: Annotated[int, whole_number(1, 1000, "connections", such_as=10)] = 10
    retention: Annotated[float, number(0.01, 3650, "days", such_as=7)] = 7
    account_policy: AccountPolicy = "share"
    explore: bool | None = None
    connect_page: bool | None = None
    concurrency: Annotated[int, whole_number(1, 1000, "requests", such_as=32)] = 32
    rate_limit: RateLimit | None = None
    worker: bool | None = None
    keep_alive: Annotated[int, whole_number(1, 3600, "seconds", such_as=75)] = 75

    @property
    def database_limits(self) -> Limits:
        return Limits(self.database_pool, self.database_timeout)

    @property
    def grace(self) -> float:
        """Seconds that requests have to end after a stop. Longer than a callback can take: its body (3), the exchange
        (the provider timeout), the database (5), and a revocation (10)."""
        return max(30, self.provider_timeout + 20)

    def new_rate_limiter(self) -> Rate | None:
        """A limiter for the rate of each caller; None without a limit, as in dev mode unless one is set."""
        return read_rate(self.rate_limit or ("off" if self.dev else "100/second"))

    @property
    def service_clients(self) -> ServiceClients:
        return read_service_clients(self.services)

    @property
    def with_worker(self) -> bool:
        """Whether `tendon serve` starts a worker. On PostgreSQL, workers are processes of their own by default."""
        return self.database_url.startswith("sqlite:") if self.worker is None else self.worker

    @property
    def explorer(self) -> bool:
        """Whether to offer GraphiQL, introspection and suggestions."""
        return self.dev if self.explore is None else self.explore

    @property
    def with_connect_page(self) -> bool:
        """Whether to serve the front page and the connect page. Outside dev they are off by default, because the
        connect page asks for a bearer token."""
        return self.dev if self.connect_page is None else self.connect_page
