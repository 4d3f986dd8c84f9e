"""The URLs of a catalogue entry: their variables are replaced, then they are validated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, ValidationInfo

from wire.http.addresses import is_host, may_be_public
from wire.uri import is_web

_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class EntryContext:
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


def _issuer(url: str) -> str:
    if "?" in url or "#" in url:
        raise ValueError("must not have a query or fragment")
    return url


Page = Annotated[str, AfterValidator(_page)]
"""For people: Tendon sends no requests to it."""

Endpoint = Annotated[Page, AfterValidator(_endpoint)]
"""RFC 6749 3.2: no fragment."""

AuthorizationEndpoint = Annotated[Page, AfterValidator(_authorization_endpoint)]
"""RFC 6749 3.1 allows no fragment, but some providers route in the browser and expect the parameters after `#/`."""

Issuer = Annotated[Page, AfterValidator(_issuer)]
"""RFC 8414 2: neither query nor fragment."""
