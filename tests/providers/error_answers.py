"""Error answers for tests, read by the rules of an entry."""

from __future__ import annotations

import json

import pytest

from providers.entry.provider import Provider
from providers.errors import ErrorAnswer
from providers.token_answer import read_token_answer
from tests.providers.entries import provider
from tests.providers.token_answers import NOW
from wire.http.response import Response


def entry(*rules: str, token: str = "") -> Provider:
    """An entry with these rules, each given as lines of TOML."""
    return provider(token=token + "".join(f"\n[[token.errors]]\n{rule}" for rule in rules))


def said(entry: Provider, body: object, status: int = 400, **headers: str) -> ErrorAnswer:
    fields = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ErrorAnswer) as raised:
        read_token_answer(entry, Response(status, content, headers=fields), NOW)
    return raised.value
