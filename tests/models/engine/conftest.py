"""A primary and its hot standby, for tests that need both."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.postgres import PostgresServer, programs


@pytest.fixture(scope="module")
def primary() -> Generator[PostgresServer]:
    server = PostgresServer(programs())
    yield server
    server.remove()


@pytest.fixture(scope="module")
def standby(primary: PostgresServer) -> Generator[PostgresServer]:
    server = PostgresServer(programs(), primary=primary)
    yield server
    server.remove()
