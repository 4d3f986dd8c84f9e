"""Header fields that an entry adds to requests. Their values may contain the client's id and further secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final

from providers.entry.reader import accepts
from providers.entry.urls import EntryContext
from providers.entry.values import form, read_text, read_texts
from wire.tables import Invalid

CLIENT_ID: Final = "client_id"
ACCESS_TOKEN: Final = "access_token"  # noqa: S105 - a name
TOKENS: Final = (ACCESS_TOKEN, "refresh_token")

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_BRACE: Final = re.compile(r"[{}]")
_FORM_OF_NAME: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}"
_FORM_OF_VALUE: Final = r"[!-~](?:[ -~]{0,998}[!-~])?"
_NAME: Final = re.compile(_FORM_OF_NAME)
_VALUE: Final = re.compile(_FORM_OF_VALUE)

# Tendon's own, those of the connection (RFC 9110 7.6.1), and those that say how the body is to be read.
_OURS: Final = frozenset(
    {
        "accept-encoding",
        "authorization",
        "connection",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def _in_any_case(name: str) -> str:
    return "".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else letter for letter in name)


_SCHEMA: Final = {
    "type": "object",
    "propertyNames": {
        "pattern": f"^{_FORM_OF_NAME}$",
        "not": {"pattern": f"^(?:{'|'.join(map(_in_any_case, sorted(_OURS)))}|{_in_any_case('content')}-.*)$"},
    },
    "additionalProperties": {
        "type": "string",
        "pattern": f"^{_FORM_OF_VALUE}$",
        "allOf": [{"pattern": r"^([^{}]|\{[^{}]*\})*$"}],
    },
}

HeaderName = Annotated[str, form(r"[A-Za-z0-9-]+", "the name of a header field, such as Retry-After")]


@accepts(_SCHEMA, read_text)
def read_headers(value: object, context: EntryContext) -> Mapping[str, str]:
    """Values by name. `{client_id}` and `{name}` of a secret in a value are replaced when a request is sent."""
    return _read(value, context, (CLIENT_ID, *context.secrets))


@accepts(_SCHEMA, read_text)
def read_revocation_headers(value: object, context: EntryContext) -> Mapping[str, str]:
    """As `read_headers`, and the tokens may be in a value, too."""
    return _read(value, context, (CLIENT_ID, *TOKENS, *context.secrets))


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with the value of each placeholder, which `values` has by name."""
    # In one pass: what a value contains is no placeholder.
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def placeholders(*texts: str) -> set[str]:
    """The names of the placeholders in these texts."""
    return {name for text in texts for name in _PLACEHOLDER.findall(text)}


def _read(value: object, context: EntryContext, known: tuple[str, ...]) -> Mapping[str, str]:
    headers = read_texts(value, context)
    lowered = [name.lower() for name in headers]
    for name, text in headers.items():
        if not _NAME.fullmatch(name):
            raise Invalid("must have names of header fields as keys")
        if name.lower() in _OURS or name.lower().startswith("content-"):
            raise Invalid(f"must not have {name}, which is not for an entry to set")
        if lowered.count(name.lower()) > 1:
            raise Invalid(f"has {name} twice")
        if not _VALUE.fullmatch(text):
            raise Invalid(f"must have visible ASCII characters as the value of {name}")
        if _BRACE.search(_PLACEHOLDER.sub("", text)):
            raise Invalid(f"has a brace in the value of {name} that belongs to no placeholder")
        for placeholder in _PLACEHOLDER.findall(text):
            if placeholder not in known:
                names = ", ".join(f"{{{each}}}" for each in known)
                raise Invalid(f"uses {{{placeholder}}}: known are {names}, and what [registration] names in secrets")
    return headers
