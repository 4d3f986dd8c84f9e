"""The URLs of a catalogue entry: their variables are replaced, then they are validated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from providers.entry.reader import accepts
from providers.entry.values import read_text, read_texts
from wire.http.addresses import is_host, may_be_public
from wire.tables import Invalid
from wire.uri import is_web

ACCOUNT: Final = "account"
"""Stands for the provider's own id of the user."""

REVOCATION_PLACEHOLDERS: Final = (ACCOUNT, "access_token", "refresh_token", "client_id")
"""What is known when a connection ends, and may be in braces in the URL of a revocation."""

_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")
# RFC 3986 5.2.4: it stands for another path, and some servers decode it before.
_DOT_SEGMENT: Final = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)


# The characters of URIs (RFC 3986 2) and the braces of variables, without `?` and `#`.
_CHARACTER: Final = r"[A-Za-z0-9._~!$&'()*+,;=:@/%{}\[\]-]"


def _url(end: str) -> dict[str, str]:
    """The schema of a URL. A variable may stand for any part of it, also for how it begins."""
    return {"type": "string", "pattern": rf"^(?:[Hh][Tt][Tt][Pp][Ss]?://|[A-Za-z]*\{{){_CHARACTER}+{end}$"}


_QUERY: Final = rf"(?:\?(?:{_CHARACTER}|\?)*)?"
_FRAGMENT: Final = rf"(?:{_CHARACTER}|\?)*"


class EntryContext(msgspec.Struct, frozen=True):
    """The context in which an entry is validated.

    `slug` is the name of its file, `variables` has the values of its `[variables]`, `allow_private` accepts http and
    private hosts, and `secrets` are the names of its further credentials.
    """

    slug: str
    variables: Mapping[str, str]
    allow_private: bool
    secrets: tuple[str, ...] = ()


@accepts(_url(rf"{_QUERY}(?:#{_FRAGMENT})?"))
def _read_page(value: object, context: EntryContext) -> str:
    url = _with_variables(read_text(value), context)
    if not is_web(url):
        raise Invalid("must be an http or https URL without a user name")
    host = _host(url)
    if not is_host(host):
        raise Invalid("must have a host name or an IP address")
    if _DOT_SEGMENT.search(re.split("[?#]", url)[0]):
        raise Invalid("must not have . or .. between the slashes of its path")
    if not context.allow_private:
        _refuse_private(url, host)
    return url


def _with_variables(text: str, context: EntryContext) -> str:
    return _VARIABLE.sub(lambda found: _value(context, found[1]), text)


@accepts(read_texts.schema, read_text)
def read_params_with_variables(value: object, context: EntryContext) -> Mapping[str, str]:
    """A table of texts, in which variables are replaced as in URLs."""
    params = read_texts(value, context)
    return MappingProxyType({name: _with_variables(text, context) for name, text in params.items()})


def _value(context: EntryContext, name: str) -> str:
    if name not in context.variables:
        raise Invalid(f"uses {{{name}}}, which has no default in [variables]")
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


@accepts(_url(_QUERY))
def _read_endpoint(value: object, context: EntryContext) -> str:
    url = _read_page(value, context)
    if "#" in url:
        raise Invalid("must not have a fragment")
    return url


@accepts(_url(rf"{_QUERY}(?:#[/{{]{_FRAGMENT})?"))
def _read_authorization_endpoint(value: object, context: EntryContext) -> str:
    url = _read_page(value, context)
    if "#" in url and not url.partition("#")[2].startswith("/"):
        raise Invalid("must not have a fragment, unless it begins with #/")
    return url


@accepts(_url(_QUERY))
def _read_revocation_endpoint(value: object, context: EntryContext) -> str:
    """As for `Endpoint`, and the placeholders of a revocation stay as they are."""
    text = read_text(value)
    for name in REVOCATION_PLACEHOLDERS:
        text = text.replace(f"{{{name}}}", _stand_in(name))
    url = _read_endpoint(text, context)
    for name in REVOCATION_PLACEHOLDERS:
        if _stand_in(name) in urlsplit(url).netloc:
            raise Invalid(f"must not have {{{name}}} in the host")
        url = url.replace(_stand_in(name), f"{{{name}}}")
    return url


def _stand_in(name: str) -> str:
    """Valid wherever the value is, and in no URL of a provider."""
    return f"tendon-any-{name.replace('_', '-')}"


@accepts(_url(""))
def _read_issuer(value: object, context: EntryContext) -> str:
    url = _read_page(value, context)
    if "?" in url or "#" in url:
        raise Invalid("must not have a query or fragment")
    return url


@accepts(_url(""))
def _read_base(value: object, context: EntryContext) -> str:
    return _read_issuer(value, context).rstrip("/")


Page = Annotated[str, _read_page]
"""For people: Tendon sends no requests to it."""

Endpoint = Annotated[str, _read_endpoint]
"""RFC 6749 3.2: no fragment."""

RevocationEndpoint = Annotated[str, _read_revocation_endpoint]
"""An endpoint in whose path or query the names of REVOCATION_PLACEHOLDERS may be in braces."""

AuthorizationEndpoint = Annotated[str, _read_authorization_endpoint]
"""RFC 6749 3.1 allows no fragment, but some providers route in the browser and expect the parameters after `#/`."""

Issuer = Annotated[str, _read_issuer]
"""RFC 8414 2: neither query nor fragment."""

Base = Annotated[str, _read_base]
"""What the paths of an API are appended to: neither query nor fragment, and no slash at the end."""
