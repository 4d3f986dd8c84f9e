"""Reads the settings, and reports all problems at once: one line for each, which says what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, TypeVar

from msgspec import structs

from gateway.settings.environment import SettingsError, format_problem, quotation_problem, scan_environment
from gateway.settings.model import (
    CatalogueSettings,
    DatabaseSettings,
    ExportSettings,
    SandboxSettings,
    Settings,
    required,
    variable,
)
from gateway.settings.registrations import catalogue_problems, registration_problems
from gateway.settings.types import AUTH_VALUES, KEY_FORM, SettingsTable, listed, switch
from wire.tables import MISSING, Invalid, Problems, keys, read_table

S = TypeVar("S", bound=SettingsTable)
CheckCombination = Callable[[Mapping[str, str]], dict[str, str]]
"""Takes the values of the settings that are set, and returns the problem of each setting that has one."""
CheckCatalogue = Callable[[CatalogueSettings, Mapping[str, str]], list[str]]
"""Takes the catalogue's settings and the environment, and returns a line for each problem."""

# White space separates the items of these lists, so leading and trailing white space is harmless.
_LISTS: Final = ("client_keys", "redirect_uris", "services", "vault_keys")
# Quotation marks may be part of its value.
_MAY_BE_QUOTED: Final = ("introspection_client_secret",)


def read_settings() -> Settings:
    """Read all settings. Raises SettingsError with a line for each problem, including those in the catalogue and in
    the providers' credentials."""
    return _read(Settings, _combination_problems, registration_problems)


def read_database_settings() -> DatabaseSettings:
    """Read the settings of `tendon migrate`. Raises SettingsError."""
    return _read(DatabaseSettings)


def read_export_settings() -> ExportSettings:
    """Read the settings of `tendon audit export`. Raises SettingsError."""
    return _read(ExportSettings)


def read_catalogue_settings() -> CatalogueSettings:
    """Read the settings of the catalogue. Raises SettingsError, also for problems in its entries."""
    return _read(CatalogueSettings, check_catalogue=catalogue_problems)


def read_sandbox_settings() -> SandboxSettings:
    """Read the settings of `tendon sandbox`, which always allows private addresses. Raises SettingsError, also for
    problems in the catalogue's entries."""

    def check(settings: CatalogueSettings, environment: Mapping[str, str]) -> list[str]:
        return catalogue_problems(structs.replace(settings, allow_private_providers=True), environment)

    return _read(SandboxSettings, check_catalogue=check)


def _read(
    kind: type[S], check_combination: CheckCombination | None = None, check_catalogue: CheckCatalogue | None = None
) -> S:
    """Raises SettingsError with all mistakes in `.env` and in the settings of `kind`. When there are any, it adds the
    problems that `check_catalogue` finds, so that one attempt to start reports everything that must be corrected."""
    environment, mistakes = scan_environment()
    values = _values(kind, environment)
    settings, problems = _validated(kind, values)
    problems = (check_combination(values) if check_combination else {}) | problems
    if settings is not None and not mistakes and not problems:
        return settings
    lines = [f"{variable(name)}: {problem}" for name in keys(kind) for problem in problems.get(name, "").splitlines()]
    others = check_catalogue(_valid_catalogue_settings(environment), environment) if check_catalogue else ()
    raise SettingsError("\n".join([*mistakes, *lines, *others]))


def _values(kind: type[SettingsTable], environment: Mapping[str, str]) -> dict[str, str]:
    """The values of the settings that are set. An empty setting counts as not set."""
    return {name: value for name in keys(kind) if (value := environment.get(variable(name)))}


def _validated(kind: type[S], values: Mapping[str, str]) -> tuple[S | None, dict[str, str]]:
    """The settings, None if any is invalid, and the problem of each setting that has one."""
    problems = _format_problems(values)
    try:
        return settings_of(kind, values), problems
    except Problems as fault:
        for problem in fault.problems:
            problems.setdefault(str(problem.path[0]), problem.message)
    if problems.get("auth") == MISSING:
        problems["auth"] = f"must be set: {listed(AUTH_VALUES)}"
    return None, problems


def settings_of(kind: type[S], values: Mapping[str, str]) -> S:
    """The settings with these values. Raises Problems."""
    settings = read_table(kind, {name: value.strip() for name, value in values.items()})
    return structs.replace(settings, given=frozenset(values))


def _valid_catalogue_settings(environment: Mapping[str, str]) -> CatalogueSettings:
    """The catalogue's settings without the invalid ones. If `allow_private_providers` itself is invalid, private
    addresses are allowed, so that no correct entry is reported."""
    values = _values(CatalogueSettings, environment)
    _, problems = _validated(CatalogueSettings, values)
    valid = {name: value.strip() for name, value in values.items() if name not in problems}
    if "allow_private_providers" in problems:
        valid["allow_private_providers"] = "1"
    settings = settings_of(CatalogueSettings, valid)
    # Keys that can't be read are not missing.
    return structs.replace(settings, given=settings.given | ({"client_keys"} & problems.keys()))


def _combination_problems(values: Mapping[str, str]) -> dict[str, str]:
    """Problems that concern several settings: those that another one requires, and those that conflict with one."""
    auth = values.get("auth", "")
    missing = {name: what for name, what in required(auth).items() if name not in values}
    found = {name: f"must be set with TENDON_AUTH={auth}: {what}" for name, what in missing.items()}
    if auth in AUTH_VALUES and auth != "dev":
        if "vault_keys" not in values:
            found["vault_keys"] = f"must be set. {KEY_FORM}"
        with suppress(Invalid):
            if switch(values.get("sandbox", "0")):
                found["sandbox"] = "the sandbox runs with TENDON_AUTH=dev only: write 0, or remove the setting"
    return found


def _format_problems(values: Mapping[str, str]) -> dict[str, str]:
    """The problem of each value whose text is wrong, whatever its type."""
    found: dict[str, str] = {}
    for name, value in values.items():
        is_list = name in _LISTS
        problem = quotation_problem(value.strip()) if is_list else format_problem(value, secret=name in _MAY_BE_QUOTED)
        if problem is not None:
            found[name] = problem
    return found
