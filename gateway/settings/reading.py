"""Reads the settings, and reports all problems at once: one line for each, which says what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

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
from gateway.settings.types import AUTH_VALUES, KEY_FORM

S = TypeVar("S", bound=BaseModel)
CheckCombination = Callable[[Mapping[str, str]], dict[str, str]]
"""Takes the values of the settings that are set, and returns the problem of each setting that has one."""
CheckCatalogue = Callable[[CatalogueSettings, Mapping[str, str]], list[str]]
"""Takes the catalogue's settings and the environment, and returns a line for each problem."""

# White space separates the items of these lists, so leading and trailing white space is harmless.
_LISTS: Final = ("redirect_uris", "services", "vault_keys")
# The values that pydantic reads as true.
_TRUE: Final = ("1", "true", "t", "yes", "y", "on")


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
        return catalogue_problems(settings.model_copy(update={"allow_private_providers": True}), environment)

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
    lines = [
        f"{variable(name)}: {problem}" for name in kind.model_fields for problem in problems.get(name, "").splitlines()
    ]
    others = check_catalogue(_valid_catalogue_settings(environment), environment) if check_catalogue else ()
    raise SettingsError("\n".join([*mistakes, *lines, *others]))


def _values(kind: type[BaseModel], environment: Mapping[str, str]) -> dict[str, str]:
    """The values of the settings that are set. An empty setting counts as not set."""
    return {name: value for name in kind.model_fields if (value := environment.get(variable(name)))}


def _validated(kind: type[S], values: Mapping[str, str]) -> tuple[S | None, dict[str, str]]:
    """The settings, None if any is invalid, and the problem of each setting that has one."""
    problems = _format_problems(values, kind)
    try:
        return kind.model_validate({name: value.strip() for name, value in values.items()}), problems
    except ValidationError as fault:
        for error in fault.errors():
            name = str(error["loc"][0])
            problems.setdefault(name, _message(error, kind.model_fields[name]))
    return None, problems


def _valid_catalogue_settings(environment: Mapping[str, str]) -> CatalogueSettings:
    """The catalogue's settings without the invalid ones. If `allow_private_providers` itself is invalid, private
    addresses are allowed, so that no correct entry is reported."""
    values = _values(CatalogueSettings, environment)
    _, problems = _validated(CatalogueSettings, values)
    valid = {name: value.strip() for name, value in values.items() if name not in problems}
    if "allow_private_providers" in problems:
        valid["allow_private_providers"] = "1"
    return CatalogueSettings.model_validate(valid)


def _combination_problems(values: Mapping[str, str]) -> dict[str, str]:
    """Problems that concern several settings: those that another one requires, and those that conflict with one."""
    auth = values.get("auth", "")
    missing = {name: what for name, what in required(auth).items() if name not in values}
    found = {name: f"must be set with TENDON_AUTH={auth}: {what}" for name, what in missing.items()}
    if auth in AUTH_VALUES and auth != "dev":
        if "vault_keys" not in values:
            found["vault_keys"] = f"must be set. {KEY_FORM}"
        if values.get("sandbox", "0").lower() in _TRUE:
            found["sandbox"] = "the sandbox runs with TENDON_AUTH=dev only: write 0, or remove the setting"
    return found


def _format_problems(values: Mapping[str, str], kind: type[BaseModel]) -> dict[str, str]:
    """The problem of each value whose text is wrong, whatever its type."""
    found: dict[str, str] = {}
    for name, value in values.items():
        secret = SecretStr in get_args(kind.model_fields[name].annotation)
        problem = quotation_problem(value.strip()) if name in _LISTS else format_problem(value, secret=secret)
        if problem is not None:
            found[name] = problem
    return found


def _message(error: ErrorDetails, field: FieldInfo) -> str:
    """What to write instead, where pydantic's message would only say what is wrong."""
    context = error.get("ctx", {})
    choices = str(context.get("expected")).replace("'", "")
    messages = {
        "missing": f"must be set: {', '.join(AUTH_VALUES[:-1])} or {AUTH_VALUES[-1]}",
        "literal_error": f"must be {choices}",
        "int_parsing": f"must be a whole number, such as {field.default}",
        "int_from_float": f"must be a whole number, such as {field.default}",
        "float_parsing": f"must be a number, such as {field.default}",
        "bool_parsing": "must be 1 or 0",
        "value_error": str(context.get("error")),
    }
    return messages.get(error["type"], error["msg"])
