"""Reads entries for these tests, with some lines in one of their tables, and says what is wrong with them."""

from __future__ import annotations

import tomllib

import pytest

from providers.entry.problems import described
from providers.entry.provider import Provider
from providers.entry.urls import EntryContext
from tests.providers.entries import minimal
from wire.tables import Problems, read_table


def read(text: str, slug: str = "acme") -> Provider:
    table = tomllib.loads(text)
    secrets = tuple(table.get("registration", {}).get("secrets", ()))
    return read_table(Provider, table, EntryContext(slug, {"v": "value"}, allow_private=False, secrets=secrets))


def problems(text: str, slug: str = "acme") -> list[str]:
    """Each with its key."""
    with pytest.raises(Problems) as raised:
        read(text, slug)
    return [described(problem) for problem in raised.value.problems]


def top(lines: str) -> str:
    return f"{lines}\n{minimal('acme')}"


def table(name: str, lines: str) -> str:
    return f"{minimal('acme')}\n[{name}]\n{lines}\n"


def table_with(name: str, given: str, lines: str) -> str:
    return table(name, f"{given}\n{lines}")


def authorize(lines: str) -> str:
    return minimal("acme").replace("[authorize]", f"[authorize]\n{lines}")


def token(lines: str) -> str:
    return minimal("acme").replace("[token]", f"[token]\n{lines}")


def rule(fields: str) -> str:
    """A row of the token endpoint's errors."""
    return token(f"errors = [{{{fields}}}]")


def revoke(lines: str) -> str:
    return table("revoke", f"url = 'https://acme.example/revoke'\n{lines}")


def revoke_at(url: str, lines: str = "auth = 'bearer'") -> str:
    return table("revoke", f"url = '{url}'\n{lines}")


def with_secrets(text: str) -> str:
    """With two further secrets, `key` and `other`."""
    return f"{text}\n[registration]\nsecrets = ['key', 'other']\n"
