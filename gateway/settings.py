"""The settings of README's table, from the environment and `.env`, each checked with a message that names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from gateway.environment import SettingsError, read_environment, scan_environment
from gateway.overload.rate import Rate, read_rate
from gateway.service_clients import ServiceClients, read_service_clients
from gateway.setting_types import (
    Audience,
    Auth,
    DatabaseURL,
    Endpoint,
    Folder,
    Issuer,
    LogLevel,
    ProviderTimeout,
    RateLimit,
    RedirectURIs,
    Services,
    VaultKeys,
    number,
)
from gateway.settings_problems import Lacking, lacking, message, name_of, strange
from models.engine import Limits
from models.file_modes import OWN_FOLDER

__all__ = [
    "CatalogueSettings",
    "DatabaseSettings",
    "SandboxSettings",
    "Settings",
    "SettingsError",
    "read_catalogue_settings",
    "read_database_settings",
    "read_environment",
    "read_sandbox_settings",
    "read_settings",
]

S = TypeVar("S", bound=BaseModel)
Further = Callable[["CatalogueSettings", Mapping[str, str]], list[str]]


class DatabaseSettings(BaseModel):
    """All that a migration needs to know."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    # It may hold a password.
    database_url: DatabaseURL = Field(f"sqlite://{OWN_FOLDER}/tendon.db", repr=False)
    log_level: LogLevel = "INFO"


class CatalogueSettings(BaseModel):
    """All that reading the catalogue takes. Where nothing says how Tendon will run, it is as on a laptop."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    auth: Auth = "dev"
    catalogue: Folder | None = None
    allow_private_providers: bool | None = None
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


class SandboxSettings(CatalogueSettings):
    """The settings of `tendon sandbox`: the catalogue, and the redirect URIs that it accepts."""

    redirect_uris: RedirectURIs = ""


class Settings(SandboxSettings, DatabaseSettings):
    """What the operator decides. Every field is the environment variable TENDON_<NAME>."""

    auth: Auth  # pyright: ignore[reportGeneralTypeIssues] - here it has to be said
    introspection_url: Endpoint | None = None
    introspection_client_id: str | None = None
    introspection_client_secret: SecretStr | None = None
    jwks_url: Endpoint | None = None
    issuer: Issuer | None = None
    audience: Audience | None = None
    services: Services = ""
    vault_keys: VaultKeys | None = None
    provider_timeout: ProviderTimeout = 10
    database_pool: Annotated[int, number(1, 1000, "connections")] = 10
    database_timeout: Annotated[float, number(0.1, 60, "seconds")] = 5
    explore: bool | None = None
    connect_page: bool | None = None
    concurrency: Annotated[int, number(1, 1000, "requests")] = 32
    rate_limit: RateLimit | None = None
    keep_alive: Annotated[int, number(1, 3600, "seconds")] = 75

    @property
    def database_limits(self) -> Limits:
        return Limits(self.database_pool, self.database_timeout)

    @property
    def rate(self) -> Rate:
        """Each caller's. In dev there is none unless it is set."""
        return read_rate(self.rate_limit or ("off" if self.dev else "100/second"))

    @property
    def service_clients(self) -> ServiceClients:
        return read_service_clients(self.services)

    @property
    def explorer(self) -> bool:
        """GraphiQL, introspection and suggestions."""
        return self.dev if self.explore is None else self.explore

    @property
    def with_connect_page(self) -> bool:
        """Whether to serve the front page and the connect page. Off outside dev: a page that asks for bearer tokens is
        opt-in."""
        return self.dev if self.connect_page is None else self.connect_page


def read_settings() -> Settings:
    """Raises SettingsError with a line for everything missing or wrong, in the catalogue and credentials as well."""
    # Imported here, since it imports this module.
    from gateway.registrations import further_problems  # noqa: PLC0415

    return _read(Settings, lacking, further_problems)


def read_database_settings() -> DatabaseSettings:
    """The same for what a migration needs."""
    return _read(DatabaseSettings)


def read_catalogue_settings() -> CatalogueSettings:
    """The same for what the catalogue needs, which includes its entries."""
    from gateway.registrations import catalogue_problems  # noqa: PLC0415

    return _read(CatalogueSettings, further=catalogue_problems)


def read_sandbox_settings() -> SandboxSettings:
    """The same for what the sandbox alone needs. It allows private addresses in any case."""
    from gateway.registrations import catalogue_problems  # noqa: PLC0415

    def further(settings: CatalogueSettings, environment: Mapping[str, str]) -> list[str]:
        return catalogue_problems(settings.model_copy(update={"allow_private_providers": True}), environment)

    return _read(SandboxSettings, further=further)


def _read(kind: type[S], together: Lacking | None = None, further: Further | None = None) -> S:
    """Raises SettingsError with all mistakes in `.env` and in the settings of `kind`.

    `together` returns problems between settings, such as one that another requires. `further` returns problems that
    depend on the catalogue's settings, which the operator would otherwise only see after correcting the others.
    """
    environment, mistakes = scan_environment()
    given = _given(kind, environment)
    settings, problems = _validated(kind, given)
    problems = (together(given) if together else {}) | problems
    if settings is not None and not mistakes and not problems:
        return settings
    lines = [
        f"{name_of(name)}: {problem}" for name in kind.model_fields for problem in problems.get(name, "").splitlines()
    ]
    others = further(_usable(environment), environment) if further else ()
    raise SettingsError("\n".join([*mistakes, *lines, *others]))


def _given(kind: type[BaseModel], environment: Mapping[str, str]) -> dict[str, str]:
    """An empty setting counts as not set."""
    return {name: value for name in kind.model_fields if (value := environment.get(name_of(name)))}


def _validated(kind: type[S], given: Mapping[str, str]) -> tuple[S | None, dict[str, str]]:
    """The settings, None if any is invalid, and the problem of each by its name."""
    problems = strange(given, kind)
    try:
        return kind.model_validate({name: value.strip() for name, value in given.items()}), problems
    except ValidationError as fault:
        for error in fault.errors():
            name = str(error["loc"][0])
            problems.setdefault(name, message(error, kind.model_fields[name]))
    return None, problems


def _usable(environment: Mapping[str, str]) -> CatalogueSettings:
    """The catalogue's settings without the invalid ones. If it is unknown whether private addresses are allowed, they
    are allowed, so that a correct entry is not reported."""
    given = _given(CatalogueSettings, environment)
    _, problems = _validated(CatalogueSettings, given)
    known = {name: value.strip() for name, value in given.items() if name not in problems}
    if "allow_private_providers" in problems:
        known["allow_private_providers"] = "1"
    return CatalogueSettings.model_validate(known)
