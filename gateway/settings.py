"""The settings of README's table, from the environment and `.env`, each checked with a message that names it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal, TypeVar

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from gateway.overload.rate import Rate, read_rate
from gateway.service_clients import ServiceClients, read_service_clients
from models.engine import Limits, configuration
from models.vault import VaultError, read_keys
from resolvers.redirects import RedirectAllowList
from wire import uri

DOTENV: Final = ".env"
_HOME: Final = Path(".tendon")


Auth = Literal["dev", "introspection", "jwt", "introspection+jwt"]

S = TypeVar("S", bound=BaseModel)


class SettingsError(Exception):
    """One line per setting that is wrong, without its value."""


class DatabaseSettings(BaseModel):
    """All that a migration needs to know."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    # It may hold a password.
    database_url: str = Field(f"sqlite://{_HOME}/tendon.db", repr=False)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("database_url")
    @classmethod
    def _database(cls, url: str) -> str:
        configuration(url, Limits())
        return url


class CatalogueSettings(BaseModel):
    """All that reading the catalogue takes. Where nothing says how Tendon will run, it is as on a laptop."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    auth: Auth = "dev"
    catalogue: Path | None = None
    allow_private_providers: bool | None = None
    sandbox: bool | None = None

    @field_validator("catalogue")
    @classmethod
    def _folder(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.is_dir():
            raise ValueError("is not a folder")
        return folder

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
    """All that the sandbox alone takes: the catalogue, and where it may send users back to."""

    redirect_uris: str = ""

    @field_validator("redirect_uris")
    @classmethod
    def _redirects(cls, uris: str) -> str:
        RedirectAllowList(uris.split())
        return uris


class Settings(SandboxSettings, DatabaseSettings):
    """What the operator decides. Every field is the environment variable TENDON_<NAME>."""

    auth: Auth  # pyright: ignore[reportGeneralTypeIssues] - here it has to be said
    introspection_url: str | None = None
    introspection_client_id: str | None = None
    introspection_client_secret: SecretStr | None = None
    jwks_url: str | None = None
    issuer: str | None = None
    audience: str | None = None
    services: str = ""
    vault_keys: SecretStr | None = None
    provider_timeout: float = 10
    database_pool: int = 10
    database_timeout: float = 5
    explore: bool | None = None
    connect_page: bool | None = None
    concurrency: int = 32
    rate_limit: str | None = None
    keep_alive: int = 75

    @field_validator("introspection_url", "jwks_url")
    @classmethod
    def _endpoint(cls, url: str | None) -> str | None:
        if url is not None and not (uri.is_absolute(url) and uri.is_web(url)):
            raise ValueError("must be an http or https URL without a user name or fragment")
        return url

    @field_validator("services")
    @classmethod
    def _services(cls, services: str) -> str:
        read_service_clients(services)
        return services

    @field_validator("vault_keys")
    @classmethod
    def _keys(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys is not None:
            _read_keys(keys.get_secret_value())
        return keys

    @field_validator("database_pool")
    @classmethod
    def _connections(cls, connections: int) -> int:
        if not 1 <= connections <= 1000:  # noqa: PLR2004 - said in the message
            raise ValueError("must be from 1 to 1000 connections")
        return connections

    @field_validator("database_timeout")
    @classmethod
    def _waiting(cls, seconds: float) -> float:
        if not 0.1 <= seconds <= 60:  # noqa: PLR2004 - said in the message
            raise ValueError("must be from 0.1 to 60 seconds")
        return seconds

    @field_validator("provider_timeout")
    @classmethod
    def _seconds(cls, seconds: float) -> float:
        if not 0 < seconds <= 60:  # noqa: PLR2004 - said in the message
            raise ValueError("must be more than 0 and at most 60 seconds")
        return seconds

    @property
    def database_limits(self) -> Limits:
        return Limits(self.database_pool, self.database_timeout)

    @field_validator("concurrency")
    @classmethod
    def _concurrency(cls, working: int) -> int:
        if not 1 <= working <= 1000:  # noqa: PLR2004 - said in the message
            raise ValueError("must be from 1 to 1000 requests")
        return working

    @field_validator("keep_alive")
    @classmethod
    def _idle(cls, seconds: int) -> int:
        if not 1 <= seconds <= 3600:  # noqa: PLR2004 - said in the message
            raise ValueError("must be from 1 to 3600 seconds")
        return seconds

    @field_validator("rate_limit")
    @classmethod
    def _rate(cls, rate: str | None) -> str | None:
        if rate is not None:
            read_rate(rate)
        return rate

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
        """The front page and the connect page. A page that asks for bearer tokens is for whoever wants it."""
        return self.dev if self.connect_page is None else self.connect_page


def read_settings() -> Settings:
    """Raises SettingsError with a line for each setting that is missing or wrong."""
    settings = _read(Settings)
    if settings.with_sandbox and not settings.dev:
        raise SettingsError("TENDON_SANDBOX: the sandbox runs with TENDON_AUTH=dev only")
    return settings


def read_database_settings() -> DatabaseSettings:
    """The same for what a migration needs."""
    return _read(DatabaseSettings)


def read_catalogue_settings() -> CatalogueSettings:
    """The same for what the catalogue needs."""
    return _read(CatalogueSettings)


def read_sandbox_settings() -> SandboxSettings:
    """The same for what the sandbox alone needs."""
    return _read(SandboxSettings)


def read_environment() -> dict[str, str]:
    """The environment over `.env`, where nothing is expanded: a secret may hold `${`."""
    from_file = {name: value for name, value in dotenv_values(DOTENV, interpolate=False).items() if value is not None}
    return from_file | dict(os.environ)


def _read(kind: type[S]) -> S:
    """An empty setting counts as one that is not set."""
    environment = read_environment()
    given = {name: value for name in kind.model_fields if (value := environment.get(f"TENDON_{name.upper()}"))}
    try:
        return kind.model_validate(given)
    except ValidationError as fault:
        lines = [_line(error["loc"], error["type"], error["msg"]) for error in fault.errors()]
        raise SettingsError("\n".join(lines)) from None


def _line(place: tuple[int | str, ...], kind: str, message: str) -> str:
    name = f"TENDON_{'_'.join(str(part) for part in place)}".upper()
    if kind == "missing":
        return f"{name}: must be set: dev, introspection, jwt or introspection+jwt"
    return f"{name}: {message.removeprefix('Value error, ')}"


def _read_keys(keys: str) -> None:
    try:
        read_keys(keys)
    except VaultError as fault:
        raise ValueError(str(fault)) from None
