"""The URLs of a catalogue entry: their variables are replaced, then they are validated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from providers.entry_values import read_text
from wire.http.addresses import is_host, may_be_public
from wire.tables import Invalid
from wire.uri import is_web

ACCOUNT: Final = "{account}"
"""In a URL of an entry: the provider's own id of the user, which is not known before there is a connection."""

# Valid wherever an account is, and in no URL of a provider.
_ANY_ACCOUNT: Final = "tendon-any-account"

_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")


class EntryContext(msgspec.Struct, frozen=True):
    """The context in which an entry is validated.

    `slug` is the name of its file, `variables` has the values of its `[variables]`, and `allow_private` accepts http
    and private hosts.
    """

    slug: str
    variables: Mapping[str, str]
    allow_private: bool


def _read_page(value: object, context: EntryContext) -> str:
    text = read_text(value)
    url = _VARIABLE.sub(lambda found: _value(context, found[1]), text)
    if not is_web(url):
        raise Invalid("must be an http or https URL without a user name")
    host = _host(url)
    if not is_host(host):
        raise Invalid("must have a host name or an IP address")
    if not context.allow_private:
        _refuse_private(url, host)
    return url


def _value(context: EntryContext, name: str) -> str:
    if name not in context.variables:
        raise Invalid(f"uses {{{name}}}, which [variables] does not have")
    return context.variables[name]


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _refuse_private(url: str, host: str) -> None:
    if not url.lower().startswith("https:"):
        raise Invalid("must be https")
    if not may_be_public(host):
        raise Invalid("must not be a private address")


def _read_endpoint(value: object, context: EntryContext) -> str:
    url = _read_page(value, context)
    if "#" in url:
        raise Invalid("must not have a fragment")
    return url


def _read_authorization_endpoint(value: object, context: EntryContext) -> str:
    url = _read_page(value, context)
    if "#" in url and not url.partition("#")[2].startswith("/"):
        raise Invalid("must not have a fragment, unless it begins with #/")
    return url


def _read_account_endpoint(value: object, context: EntryContext) -> str:
    """As for `Endpoint`, and `{account}` stays as it is."""
    url = _read_endpoint(read_text(value).replace(ACCOUNT, _ANY_ACCOUNT), context)
    if _ANY_ACCOUNT in urlsplit(url).netloc:
        raise Invalid("must not have {account} in the host")
    return url.replace(_ANY_ACCOUNT, ACCOUNT)


def _read_issuer(value: object, context: EntryContext) -> str:
    url = _read_page(value, context)
    if "?" in url or "#" in url:
        raise Invalid("must not have a query or fragment")
    return url


def _read_base(value: object, context: EntryContext) -> str:
    return _read_issuer(value, context).rstrip("/")


Page = Annotated[str, _read_page]
"""For people: Tendon sends no requests to it."""

Endpoint = Annotated[str, _read_endpoint]
"""RFC 6749 3.2: no fragment."""

AccountEndpoint = Annotated[str, _read_account_endpoint]
"""An endpoint in whose path or query `{account}` stands for the user's account."""

AuthorizationEndpoint = Annotated[str, _read_authorization_endpoint]
"""RFC 6749 3.1 allows no fragment, but some providers route in the browser and expect the parameters after `#/`."""

Issuer = Annotated[str, _read_issuer]
"""RFC 8414 2: neither query nor fragment."""

Base = Annotated[str, _read_base]
"""What the paths of an API are appended to: neither query nor fragment, and no slash at the end."""
