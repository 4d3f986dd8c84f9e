"""What an entry says to people: how an app is registered, its life, its sites, and where the facts come from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Final, Literal

from providers.entry.reader import accepts
from providers.entry.urls import REVOCATION_PLACEHOLDERS, Page
from providers.entry.values import (
    NO_PARAMS,
    EntryTable,
    form,
    list_of,
    read_date,
    read_parts,
    read_text,
    read_texts,
    table_of,
    text,
)
from wire.tables import Invalid, read_table

Category = Literal[
    "wearable", "training", "glucose", "measurement", "health_record", "identity", "platform", "development", "other"
]

_read_form_of_name: Final = form(
    r"[a-z][a-z0-9_]{0,62}", "named with 1 to 63 lower-case letters, digits and `_`, and begin with a letter"
)


@accepts({**_read_form_of_name.schema, "not": {"pattern": "(?:client_id|client_secret)$"}})
def read_name(value: object, context: object) -> str:
    """The name of a variable or of a further secret, which is part of an environment variable's."""
    name = _read_form_of_name(value, context)
    # A secret must not become part of a URL.
    if name.endswith(("client_id", "client_secret")):
        raise Invalid("has the name of a credential")
    return name


@accepts({"allOf": [read_name.schema, {"not": {"enum": [*REVOCATION_PLACEHOLDERS]}}]})
def _read_secret(value: object, context: object) -> str:
    """The name of a further secret."""
    name = read_name(value, context)
    if name in REVOCATION_PLACEHOLDERS:
        raise Invalid(f"must not be {name}, which {{{name}}} stands for already")
    return name


@accepts({**read_texts.schema, "propertyNames": read_name.schema}, read_text)
def read_variables(value: object, context: object) -> Mapping[str, str]:
    """The variables of an entry, and their defaults."""
    variables = read_texts(value, context)
    read_parts({name: name for name in variables}, read_name, context)
    return variables


Sentence = Annotated[str, text(1000)]


class Registration(EntryTable, frozen=True, kw_only=True):
    """How an app is registered with the provider. `redirect` is how the provider compares redirect URIs with the
    registered ones: as a whole (`exact`), by how they begin (`prefix`), or by their host. `secrets` are the names of
    credentials beyond the client's id and secret."""

    portal: Page | None = None
    redirect: Literal["exact", "prefix", "host"] = "exact"
    secrets: Annotated[tuple[str, ...], list_of(_read_secret)] = ()
    note: Sentence | None = None


class Lifecycle(EntryTable, frozen=True, kw_only=True):
    """Who may register an app: anybody (`open`), anybody, for a few users until the vendor has reviewed it (`review`),
    those with a contract (`partners`), nobody for now (`held`), or nobody any more (`closed`). `ends` is when the
    vendor turns this API off."""

    sign_ups: Literal["open", "review", "partners", "held", "closed"] = "open"
    ends: Annotated[dt.date, read_date] | None = None
    note: Sentence | None = None


read_site_name: Final = text(100)


class Site(EntryTable, frozen=True, kw_only=True):
    """A region or a hospital, with its values of the entry's variables. Unless `offered`, users can connect to it only
    if the operator names it."""

    name: Annotated[str, read_site_name]
    variables: Annotated[Mapping[str, str], read_texts] = NO_PARAMS
    offered: bool = True


class Source(EntryTable, frozen=True, kw_only=True):
    """Where facts come from, when that was `seen`, and how `sure` they are: the vendor documents them, at least two
    public implementations agree, or neither."""

    facts: Sentence
    url: Page
    seen: Annotated[dt.date, read_date]
    sure: Literal["documented", "implementations", "unverified"]
    note: Sentence | None = None


read_site_id: Final = form(r"[a-z0-9][a-z0-9_-]{0,62}", "1 to 63 lower-case letters, digits, `_` and `-`")

read_scope_texts: Final = table_of(text(300), form(r"[!-~]+", "a scope", 256))
read_sites: Final = table_of(partial(read_table, Site), read_site_id)
read_sources: Final = list_of(partial(read_table, Source))
