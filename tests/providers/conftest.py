"""An HTTP client, and a provider's limit with a clock that the test sets."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from providers.provider_limit import ProviderLimit, Use
from tests.providers.permits import Clock
from wire.http.client import Client, open_client


@pytest.fixture
async def ours() -> AsyncGenerator[Client]:
    async with open_client(allow_private=True, timeout=5) as client:
        yield client


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> ProviderLimit:
    return ProviderLimit("acme", limits=dict.fromkeys(Use, 8), clock=clock)
