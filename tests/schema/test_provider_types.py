"""What GraphQL shows of a provider."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, get_args

import msgspec
import pytest

from providers.catalogue import read_catalogue
from providers.credentials import Credentials
from providers.entry.about import Category, Lifecycle
from providers.entry.provider import Provider
from resolvers.context import Context, Registration
from schema.execution import Executor
from schema.limits import ANONYMOUS
from schema.logo import logo
from schema.provider_types import ProviderCategory, ProviderSignUps
from tests.providers.entries import provider
from tests.schema.contexts import public_context

EVERYTHING = """{ providers {
    id slug name category logo docs scopes scopeDetails { scope description requested }
    lifecycle { signUps ends note } available availability { available reason }
} }"""
TABLES = """
[registration]
portal = "https://acme.example/apps"
secrets = ["subscription_key"]
[lifecycle]
sign_ups = "held"
ends = 2026-12-31
note = "No new apps until spring."
[scopes]
tags = "Read your tags."
sleep = "Read your sleep."
offline = "Stay connected."
"""
EXECUTOR = Executor(explore=False)


def context_of(catalogue: Mapping[str, Provider], *, registered: bool = False) -> Context:
    """Of a caller without a bearer token."""
    ours = {slug: Registration(entry, Credentials("canary-id", "canary-secret")) for slug, entry in catalogue.items()}
    return public_context(None, catalogue=catalogue, registrations=ours if registered else None)


async def shown(entry: Provider, *, registered: bool = False) -> dict[str, Any]:
    outcome = await EXECUTOR.run(EVERYTHING, None, context_of({entry.slug: entry}, registered=registered))
    assert outcome.data is not None, outcome.failures
    (found,) = outcome.data["providers"]
    return found


async def test_the_fields_of_a_provider() -> None:
    entry = provider(authorize='scopes = ["sleep", "offline"]', tables=TABLES)
    assert await shown(entry) == {
        "id": str(entry.id),
        "slug": "acme",
        "name": "Acme Ring",
        "category": "other",
        "logo": logo("acme", "Acme Ring"),
        "docs": "https://acme.example/docs",
        "scopes": ["sleep", "offline"],
        "scopeDetails": [
            {"scope": "sleep", "description": "Read your sleep.", "requested": True},
            {"scope": "offline", "description": "Stay connected.", "requested": True},
            {"scope": "tags", "description": "Read your tags.", "requested": False},
        ],
        "lifecycle": {"signUps": "held", "ends": "2026-12-31", "note": "No new apps until spring."},
        "available": False,
        "availability": {"available": False, "reason": "no_credentials"},
    }


async def test_an_entry_without_the_optional_tables() -> None:
    found = await shown(provider(authorize='scopes = ["sleep"]'), registered=True)
    assert found["scopeDetails"] == [{"scope": "sleep", "description": None, "requested": True}]
    assert found["lifecycle"] == {"signUps": "open", "ends": None, "note": None}
    assert (found["available"], found["availability"]) == (True, {"available": True, "reason": None})


@pytest.mark.parametrize("category", get_args(Category))
async def test_every_category(category: str) -> None:
    found = await shown(msgspec.structs.replace(provider(), category=category))
    assert found["category"] == category


@pytest.mark.parametrize("sign_ups", ProviderSignUps)
async def test_every_kind_of_sign_ups(sign_ups: str) -> None:
    found = await shown(provider(tables=f'[lifecycle]\nsign_ups = "{sign_ups}"'))
    assert found["lifecycle"]["signUps"] == sign_ups


def test_the_enums_are_those_of_the_format() -> None:
    assert [*ProviderCategory] == [*get_args(Category)]
    (sign_ups,) = (field.type for field in msgspec.structs.fields(Lifecycle) if field.name == "sign_ups")
    assert [*ProviderSignUps] == [*get_args(sign_ups)]


async def test_the_built_in_providers() -> None:
    catalogue = read_catalogue()
    outcome = await EXECUTOR.run(EVERYTHING, None, public_context(None))
    assert outcome.data is not None
    assert [found["slug"] for found in outcome.data["providers"]] == sorted(catalogue)


def anonymous(document: str) -> list[str]:
    return [error.message for error in EXECUTOR._documents.read(document, anonymous=True).errors]


def test_everything_can_be_asked_for_without_a_bearer_token() -> None:
    assert anonymous(EVERYTHING) == []
    assert len(re.findall(r"\w+|[{}]", EVERYTHING)) < ANONYMOUS.tokens / 2


async def test_nothing_of_our_registration_is_shown() -> None:
    """Neither credentials nor the names of the variables that have them: who asks needs no bearer token."""
    for registered in (False, True):
        found = str(await shown(provider(tables=TABLES), registered=registered)).lower()
        assert not re.search(r"canary|acme_|client_id|client_secret|subscription_key|/apps", found)


async def test_what_never_changes_is_made_once() -> None:
    """The number of calls for 40 providers, once they were asked for: a few for each field that is shown."""
    scopes = ", ".join(f'"s{number}"' for number in range(10))
    texts = "\n".join(f's{number} = "Read {number}."' for number in range(10))
    entry = provider(authorize=f"scopes = [{scopes}]", tables=f"[scopes]\n{texts}")
    catalogue = {f"p{number}": msgspec.structs.replace(entry, slug=f"p{number}") for number in range(40)}
    context = context_of(catalogue)
    count = 0

    def profile(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    await EXECUTOR.run(EVERYTHING, None, context)
    sys.setprofile(profile)
    try:
        outcome = await EXECUTOR.run(EVERYTHING, None, context)
    finally:
        sys.setprofile(None)
    assert outcome.data is not None
    assert count < 40 * 220
