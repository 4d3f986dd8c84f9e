"""What the bearer tests share: an authorization server of their own, a clock that stands still, the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Any

import pytest
import pytest_asyncio
import structlog

from gateway.bearer import open_client
from tests.gateway.bearer.authorization_server import AuthorizationServer
from tests.gateway.bearer.standing_clock import Clock
from wire.http.client import Client


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[AuthorizationServer]:
    async with AuthorizationServer() as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def client() -> AsyncIterator[Client]:
    """One for all tests: opening it reads the machine's certificates, which takes longer than most tests."""
    async with open_client() as opened:
        yield opened


@pytest.fixture
def log() -> Iterator[list[MutableMapping[str, Any]]]:
    with structlog.testing.capture_logs() as events:
        yield events
