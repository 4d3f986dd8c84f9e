"""The URLs of a catalogue entry: variables replaced, then held to what such a URL may be."""

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
class Terms:
    """What an entry is read under, the context of its validation.

    `slug` is what the file's name promises, `variables` are the values of its `[variables]`; `allow_private` lets http
    and private hosts stand.
    """

    slug: str
    variables: Mapping[str, str]
    allow_private: bool


def _page(text: str, info: ValidationInfo[Terms]) -> str:
    url = _VARIABLE.sub(lambda found: _value(info.context, found[1]), text)
    if not is_web(url):
        raise ValueError("must be an http or https URL without a user name")
    host = _host(url)
    if not is_host(host):
        raise ValueError("must have a host name or an IP address")
    if not info.context.allow_private:
        _refuse_private(url, host)
    return url


def _value(terms: Terms, name: str) -> str:
    if name not in terms.variables:
        message = f"uses {{{name}}}, which [variables] does not have"
        raise ValueError(message)
    return terms.variables[name]


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
"""To be read by people, never called."""

Endpoint = Annotated[Page, AfterValidator(_endpoint)]
"""RFC 6749 3.2: no fragment."""

AuthorizationEndpoint = Annotated[Page, AfterValidator(_authorization_endpoint)]
"""RFC 6749 3.1 allows no fragment, but some providers route in the browser and want the parameters behind `#/`."""

Issuer = Annotated[Page, AfterValidator(_issuer)]
"""RFC 8414 2: neither query nor fragment."""
