"""Token answers for tests, and the entries of the catalogue by which they are read."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from providers.entry.provider import Provider
from providers.errors import RequestFailed
from providers.token_answer import TokenAnswer, read_token_answer
from tests.providers.entries import provider
from wire.http.response import Response

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PLAIN = provider()
NESTED = provider(token="root = 'body'\nsuccess = {field = 'status', equals = 0}\naccount = 'user.id'")
EPOCH = provider(token="expires = 'expires_at'\naccount = 'id'")
JWT = provider(token="expires = 'jwt'")
NEVER = provider(token="expires = 'never'", authorize="scope_separator = ','")
GOOD = {"access_token": "abc", "token_type": "Bearer"}


def read(value: object, entry: Provider = PLAIN, status: int = 200) -> TokenAnswer:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read_token_answer(entry, Response(status, content), NOW)


def fault(value: object, entry: Provider = PLAIN, status: int = 200) -> RequestFailed:
    with pytest.raises(RequestFailed) as raised:
        read(value, entry, status)
    return raised.value


def jwt(payload: object) -> str:
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return f"e30.{base64.urlsafe_b64encode(content).decode().rstrip('=')}.c2ln"
