"""The types of settings. Each message says what to write, and none quotes the value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, SecretStr

from gateway.overload.rate import read_rate
from gateway.service_clients import read_service_clients
from gateway.settings_problems import KEY_FORM
from models.engine import Limits, configuration
from models.vault import GuessableKey, VaultError, read_keys
from resolvers.redirects import RedirectAllowList
from wire import uri

N = TypeVar("N", int, float)

_TILDE = "has a `~`, which is not expanded: write the full path"


def _database(url: str) -> str:
    configuration(url, Limits())
    if url.startswith("sqlite://~"):
        raise ValueError(_TILDE)
    if url.startswith("sqlite:") and "?" in url:
        raise ValueError("has a `?`, which would be part of the file's name: sqlite://PATH takes no options")
    return url


def _folder(folder: Path) -> Path:
    if folder.parts[:1] == ("~",):
        raise ValueError(_TILDE)
    if not folder.is_dir():
        raise ValueError("is not a folder: name the one that holds your catalogue files, or remove the setting")
    try:
        next(folder.iterdir(), None)
    except OSError as fault:
        raise ValueError(f"can't be read ({fault.strerror}): let this user read the folder") from None
    return folder


def _endpoint(url: str) -> str:
    if not (uri.is_absolute(url) and uri.is_web(url)):
        raise ValueError(
            "must be an http or https URL without a user name or fragment, such as https://login.example/path"
        )
    return url


def _one_value(claim: str) -> AfterValidator:
    def check(text: str) -> str:
        if len(text.split()) > 1:
            raise ValueError(f"contains white space: write one value, as in the `{claim}` claim of tokens")
        return text

    return AfterValidator(check)


def _keys(keys: SecretStr) -> SecretStr:
    if set(keys.get_secret_value()) & {",", ";"}:
        raise ValueError("has a comma or semicolon: separate keys with spaces")
    try:
        read_keys(keys.get_secret_value())
    except GuessableKey as fault:
        raise ValueError(str(fault)) from None
    except VaultError as fault:
        raise ValueError(f"{fault}. {KEY_FORM}") from None
    return keys


def _readable(read: Callable[[str], object]) -> AfterValidator:
    """A text that `read` accepts; it raises ValueError for any other."""

    def check(text: str) -> str:
        read(text)
        return text

    return AfterValidator(check)


def _in_capitals(text: object) -> object:
    return text.upper() if isinstance(text, str) else text


def number(least: float, most: float, what: str) -> AfterValidator:
    """`least` to `most` of `what`."""

    def check(value: N) -> N:
        if not least <= value <= most:
            raise ValueError(f"must be from {least} to {most} {what}")
        return value

    return AfterValidator(check)


def _seconds_of_an_exchange(seconds: float) -> float:
    if not 0 < seconds <= 60:  # noqa: PLR2004 - said in the message
        raise ValueError("must be more than 0 and at most 60 seconds")
    return seconds


Auth = Literal["dev", "introspection", "jwt", "introspection+jwt"]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_in_capitals)]
DatabaseURL = Annotated[str, AfterValidator(_database)]
Folder = Annotated[Path, AfterValidator(_folder)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Issuer = Annotated[str, _one_value("iss")]
Audience = Annotated[str, _one_value("aud")]
Services = Annotated[str, _readable(read_service_clients)]
RedirectURIs = Annotated[str, _readable(lambda uris: RedirectAllowList(uris.split()))]
VaultKeys = Annotated[SecretStr, AfterValidator(_keys)]
RateLimit = Annotated[str, _readable(read_rate)]
ProviderTimeout = Annotated[float, AfterValidator(_seconds_of_an_exchange)]
