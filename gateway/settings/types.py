"""The types of settings. Each message says what to write instead, and none quotes the value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator, SecretStr

from gateway.overload.rate import read_rate
from gateway.settings.service_clients import read_service_clients
from models.engine import parse_url
from models.vault import GuessableKey, VaultError, read_keys
from resolvers.redirects import RedirectAllowList
from wire import uri

N = TypeVar("N", int, float)

KEY_FORM: Final = (
    "Write `id:base64 of 32 random bytes`, several separated by spaces; README.md has a command that makes one"
)
_TILDE: Final = "has a `~`, which is not expanded: write the full path"


def _database_url(url: str) -> str:
    parse_url(url)
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
    """A value without white space, to be compared with this claim of a token."""

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


def _read_by(read: Callable[[str], object]) -> AfterValidator:
    """Accepts a text that `read` parses. `read` raises ValueError for any other."""

    def check(text: str) -> str:
        read(text)
        return text

    return AfterValidator(check)


def _upper_case(text: object) -> object:
    return text.upper() if isinstance(text, str) else text


def number(least: float, most: float, what: str) -> AfterValidator:
    """From `least` to `most`, in units of `what`."""

    def check(value: N) -> N:
        if not least <= value <= most:
            raise ValueError(f"must be from {least} to {most} {what}")
        return value

    return AfterValidator(check)


def _provider_timeout(seconds: float) -> float:
    if not 0 < seconds <= 60:  # noqa: PLR2004 - as the message says
        raise ValueError("must be more than 0 and at most 60 seconds")
    return seconds


Auth = Literal["dev", "introspection", "jwt", "introspection+jwt"]
AUTH_VALUES: Final[tuple[str, ...]] = get_args(Auth)
AccountPolicy = Literal["share", "reject"]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper_case)]
DatabaseURLText = Annotated[str, AfterValidator(_database_url)]
Folder = Annotated[Path, AfterValidator(_folder)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Issuer = Annotated[str, _one_value("iss")]
Audience = Annotated[str, _one_value("aud")]
Services = Annotated[str, _read_by(read_service_clients)]
RedirectURIs = Annotated[str, _read_by(lambda uris: RedirectAllowList(uris.split()))]
VaultKeys = Annotated[SecretStr, AfterValidator(_keys)]
RateLimit = Annotated[str, _read_by(read_rate)]
ProviderTimeout = Annotated[float, AfterValidator(_provider_timeout)]
