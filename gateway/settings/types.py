"""The types of settings, and how each is read. A message says what to write instead, and never quotes the value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from gateway.overload.rate import read_rate
from gateway.settings.client_keys import read_client_keys
from gateway.settings.service_clients import read_service_clients
from models.engine import parse_url
from models.vault import GuessableKey, VaultError, read_keys
from providers.credentials import SigningKeys
from resolvers.redirects import RedirectAllowList
from wire import uri
from wire.tables import Invalid, Read, Table

KEY_FORM: Final = (
    "Write `id:base64 of 32 random bytes`, several separated by spaces; README.md has a command that makes one"
)
_TILDE: Final = "has a `~`, which is not expanded: write the full path"


# What a switch may say, in any case.
_SWITCH: Final = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
}


class SettingsTable(Table, frozen=True, kw_only=True):
    """Settings, by the name of their field. Their values are texts, without white space around them. They can't be
    changed."""

    given: frozenset[str] = frozenset()
    """The settings that are set, whatever their value."""

    def __repr__(self) -> str:
        """Without values, some of which are secret."""
        return f"{type(self).__name__}()"

    @classmethod
    def reader_of(cls, annotation: Any) -> Read | None:
        if annotation == frozenset[str]:
            # `given` is not a setting.
            return None
        if get_origin(annotation) is Literal:
            return _one_of(get_args(annotation))
        return {str: _read_text, bool: _read_switch}[annotation]


def _read_text(text: Any, _context: object) -> str:
    return text


def _read_switch(text: Any, _context: object) -> bool:
    return switch(text)


def switch(text: str) -> bool:
    """Whether this text means yes. Raises Invalid unless it means yes or no."""
    if text.lower() not in _SWITCH:
        raise Invalid("must be 1 or 0")
    return _SWITCH[text.lower()]


def _one_of(choices: tuple[str, ...]) -> Read:
    def read(text: Any, _context: object) -> str:
        if text not in choices:
            raise Invalid(f"must be {listed(choices)}")
        return text

    return read


def listed(choices: tuple[str, ...]) -> str:
    """Such as `a, b or c`."""
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


def _checked(check: Callable[[str], object]) -> Read:
    """Accepts a text that `check` accepts, which raises ValueError for any other."""

    def read(text: Any, _context: object) -> str:
        check(text)
        return text

    return read


def number(least: float, most: float, what: str, such_as: float) -> Read:
    """A number from `least` to `most`, in units of `what`."""

    def read(text: Any, _context: object) -> float:
        value = _read_number(text, such_as)
        if not least <= value <= most:
            raise Invalid(f"must be from {least} to {most} {what}")
        return value

    return read


def whole_number(least: int, most: int, what: str, such_as: int) -> Read:
    """The same for a whole number."""
    in_range = number(least, most, what, such_as)

    def read(text: Any, context: object) -> int:
        if not _is_number(int, text):
            raise Invalid(f"must be a whole number, such as {such_as}")
        return int(in_range(text, context))

    return read


def _read_number(text: str, such_as: float) -> float:
    if not _is_number(float, text):
        raise Invalid(f"must be a number, such as {such_as}")
    return float(text)


def _is_number(kind: type[int | float], text: str) -> bool:
    """Python reads the digits of all scripts. Here they are those of ASCII."""
    try:
        kind(text)
    except ValueError:
        return False
    return text.isascii()


def _read_provider_timeout(text: Any, _context: object) -> float:
    seconds = _read_number(text, 10)
    if not 0 < seconds <= 60:  # noqa: PLR2004 - as the message says
        raise Invalid("must be more than 0 and at most 60 seconds")
    return seconds


def _read_log_level(text: Any, context: object) -> str:
    return _one_of(LOG_LEVELS)(text.upper(), context)


def _check_database_url(url: str) -> None:
    parse_url(url)
    if url.startswith("sqlite://~"):
        raise Invalid(_TILDE)
    if url.startswith("sqlite:") and "?" in url:
        raise Invalid("has a `?`, which would be part of the file's name: sqlite://PATH takes no options")


def _read_folder(text: Any, _context: object) -> Path:
    folder = Path(text)
    if folder.parts[:1] == ("~",):
        raise Invalid(_TILDE)
    if not folder.is_dir():
        raise Invalid("is not a folder: name the one that holds your catalogue files, or remove the setting")
    try:
        next(folder.iterdir(), None)
    except OSError as fault:
        raise Invalid(f"can't be read ({fault.strerror}): let this user read the folder") from None
    return folder


def _check_endpoint(url: str) -> None:
    if not (uri.is_absolute(url) and uri.is_web(url)):
        raise Invalid(
            "must be an http or https URL without a user name or fragment, such as https://login.example/path"
        )


def _one_value(claim: str) -> Read:
    """A value without white space, to be compared with this claim of a token."""

    def check(text: str) -> None:
        if len(text.split()) > 1:
            raise Invalid(f"contains white space: write one value, as in the `{claim}` claim of tokens")

    return _checked(check)


def _check_keys(keys: str) -> None:
    if set(keys) & {",", ";"}:
        raise Invalid("has a comma or semicolon: separate keys with spaces")
    try:
        read_keys(keys)
    except GuessableKey as fault:
        raise Invalid(str(fault)) from None
    except VaultError as fault:
        raise Invalid(f"{fault}. {KEY_FORM}") from None


Auth = Literal["dev", "introspection", "jwt", "introspection+jwt"]
AUTH_VALUES: Final[tuple[str, ...]] = get_args(Auth)
AccountPolicy = Literal["share", "reject"]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], _read_log_level]
LOG_LEVELS: Final[tuple[str, ...]] = get_args(get_args(LogLevel)[0])
DatabaseURLText = Annotated[str, _checked(_check_database_url)]
DatabaseTimeout = Annotated[float, number(0.1, 60, "seconds", such_as=5)]
Folder = Annotated[Path, _read_folder]
Endpoint = Annotated[str, _checked(_check_endpoint)]
Issuer = Annotated[str, _one_value("iss")]
Audience = Annotated[str, _one_value("aud")]
Services = Annotated[str, _checked(read_service_clients)]
RedirectURIs = Annotated[str, _checked(lambda uris: RedirectAllowList(uris.split()))]
ClientKeys = Annotated[SigningKeys, read_client_keys]
VaultKeys = Annotated[str, _checked(_check_keys)]
RateLimit = Annotated[str, _checked(read_rate)]
ProviderTimeout = Annotated[float, _read_provider_timeout]
