"""A provider's limit, with a clock that the test sets."""

from __future__ import annotations

import pytest

from providers.provider_limit import ProviderLimit, Use
from tests.providers.permits import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> ProviderLimit:
    return ProviderLimit("acme", limits=dict.fromkeys(Use, 8), clock=clock)
