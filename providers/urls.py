"""The URLs of a catalogue entry: their variables are replaced, then they are validated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec
from pydantic import AfterValidator, ValidationInfo

from wire.http.addresses import is_host, may_be_public
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


def _page(text: str, info: ValidationInfo[EntryContext]) -> str:
    url = _VARIABLE.sub(lambda found: _value(info.context, found[1]), text)
    if not is_web(url):
        raise ValueError("must be an http or https URL without a user name")
    host = _host(url)
    if not is_host(host):
        raise ValueError("must have a host name or an IP address")
    if not info.context.allow_private:
        _refuse_private(url, host)
    return url


def _value(context: EntryContext, name: str) -> str:
    if name not in context.variables:
        message = f"uses {{{name}}}, which [variables] does not have"
        raise ValueError(message)
    return context.variables[name]


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _refuse_private(url: str, host: str) -> None:
    if not url.lower().startswith("https:"):
        raise ValueError("must be https")
    if not may_be_public(host):
        raise ValueError("must not be a private address")


def _endpoint(url: str) -> str:
    if "#" in url:
        raise ValueError("must not have a fragment")
    return url


def _authorization_endpoint(url: str) -> str:
    if "#" in url and not url.partition("#")[2].startswith("/"):
        raise ValueError("must not have a fragment, unless it begins with #/")
    return url


def _account_endpoint(text: str, info: ValidationInfo[EntryContext]) -> str:
    """As for `Endpoint`, and `{account}` stays as it is."""
    url = _endpoint(_page(text.replace(ACCOUNT, _ANY_ACCOUNT), info))
    if _ANY_ACCOUNT in urlsplit(url).netloc:
        raise ValueError("must not have {account} in the host")
    return url.replace(_ANY_ACCOUNT, ACCOUNT)


def _base(url: str) -> str:
    if "?" in url or "#" in url:
        raise ValueError("must not have a query or fragment")
    return url.rstrip("/")


def _issuer(url: str) -> str:
    if "?" in url or "#" in url:
        raise ValueError("must not have a query or fragment")
    return url


Page = Annotated[str, AfterValidator(_page)]
"""For people: Tendon sends no requests to it."""

Endpoint = Annotated[Page, AfterValidator(_endpoint)]
"""RFC 6749 3.2: no fragment."""

AccountEndpoint = Annotated[str, AfterValidator(_account_endpoint)]
"""An endpoint in whose path or query `{account}` stands for the user's account."""

AuthorizationEndpoint = Annotated[Page, AfterValidator(_authorization_endpoint)]
"""RFC 6749 3.1 allows no fragment, but some providers route in the browser and expect the parameters after `#/`."""

Issuer = Annotated[Page, AfterValidator(_issuer)]
"""RFC 8414 2: neither query nor fragment."""

Base = Annotated[Page, AfterValidator(_base)]
"""What the paths of an API are appended to: neither query nor fragment, and no slash at the end."""
