"""Nothing that is tested here is stored, so one engine is enough."""

from __future__ import annotations

import pytest

from tests.processes import Process


@pytest.fixture(scope="session")
def gateway(any_gateway: Process) -> Process:
    return any_gateway
