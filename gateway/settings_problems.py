"""Reports problems in settings, with what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway.environment import blemish, quotes

# Lists separated by white space, so that white space around them is harmless.
LISTS: Final = ("redirect_uris", "services", "vault_keys")

# The settings that each way of checking tokens requires, with an example.
NEEDED: Final[Mapping[str, Mapping[str, str]]] = {
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
_WAYS: Final = {"dev": (), "introspection": ("introspection",), "jwt": ("jwt",), "introspection+jwt": tuple(NEEDED)}
WAYS: Final = "dev, introspection, jwt or introspection+jwt"

# As pydantic reads them.
ON: Final = ("1", "true", "t", "yes", "y", "on")

KEY_FORM: Final = (
    "Write `id:base64 of 32 random bytes`, several separated by spaces; README.md has a command that makes one"
)

Lacking = Callable[[Mapping[str, str]], dict[str, str]]


def name_of(field: str) -> str:
    """The environment variable of a setting."""
    return f"TENDON_{field.upper()}"


def needed(auth: str) -> dict[str, str]:
    """The settings that this value of TENDON_AUTH requires, each with a description."""
    return {name: what for way in _WAYS.get(auth, ()) for name, what in NEEDED[way].items()}


def lacking(given: Mapping[str, str]) -> dict[str, str]:
    """The missing or conflicting settings among those that are valid by themselves."""
    auth = given.get("auth", "")
    found = {
        name: f"must be set with TENDON_AUTH={auth}: {what}" for name, what in needed(auth).items() if name not in given
    }
    if auth in _WAYS and auth != "dev":
        if "vault_keys" not in given:
            found["vault_keys"] = f"must be set. {KEY_FORM}"
        if given.get("sandbox", "0").lower() in ON:
            found["sandbox"] = "the sandbox runs with TENDON_AUTH=dev only: write 0, or remove the setting"
    return found


def strange(given: Mapping[str, str], kind: type[BaseModel]) -> dict[str, str]:
    """Settings whose value is probably a mistake."""
    found: dict[str, str] = {}
    for name, value in given.items():
        secret = SecretStr in get_args(kind.model_fields[name].annotation)
        problem = quotes(value.strip()) if name in LISTS else blemish(value, secret=secret)
        if problem is not None:
            found[name] = problem
    return found


def message(error: ErrorDetails, field: FieldInfo) -> str:
    """pydantic's error in our own words."""
    context = error.get("ctx", {})
    choice = str(context.get("expected")).replace("'", "")
    words = {
        "missing": f"must be set: {WAYS}",
        "literal_error": f"must be {choice}",
        "int_parsing": f"must be a whole number, such as {field.default}",
        "int_from_float": f"must be a whole number, such as {field.default}",
        "float_parsing": f"must be a number, such as {field.default}",
        "bool_parsing": "must be 1 or 0",
        "string_unicode": "is not UTF-8: write it in UTF-8",
        "value_error": str(context.get("error")),
    }
    return words.get(error["type"], error["msg"])
