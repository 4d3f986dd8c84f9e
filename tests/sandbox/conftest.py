"""One running sandbox for all its tests, reset before each."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.sandbox.world import World, application, serve


@pytest.fixture(scope="session")
def running() -> Iterator[World]:
    # Plain HTTP on loopback: loading the machine's certificates would take longer than most tests.
    with serve(application()) as base, httpx.Client(verify=False, trust_env=False, timeout=40) as http:
        yield World(base, http)


@pytest.fixture
def world(running: World) -> World:
    running.control("POST", "reset", {})
    return running
