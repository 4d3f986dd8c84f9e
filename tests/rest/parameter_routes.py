"""Routes of a test's own, whose paths have parameters, and a gateway that serves them beside Tendon's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import pytest
import uvicorn

from gateway.app import create_app
from gateway.http11.protocol import BoundedProtocol
from gateway.settings import read_environment, read_settings
from models.migrating import migrate
from rest.json_http import from_body, from_query
from rest.json_schemas import record, reference, text
from rest.routes import ROUTES, RestRoute, Success
from tests.processes import free_port

READ: Final = """query ReadConnection($id: ID!) { connection(id: $id) {
    id userId providerId providerSlug status lastSyncAt createdAt } }"""
START: Final = """mutation StartAtProvider($input: AuthorizeConnectionInput!) {
    authorizeConnection(input: $input) { url state } }"""
DOCUMENTS: Final = {"ReadConnection": READ, "StartAtProvider": START}


class Row(RestRoute):
    """A route whose document is not in the folder of Tendon's own."""

    @property
    def document(self) -> str:
        return DOCUMENTS[self.operation]


ROWS: Final = (
    Row(
        method="GET",
        path="/v1/reads/{id}",
        operation="ReadConnection",
        variables=from_query,
        summary="Read one connection",
        success=Success(200, record({"connection": reference("Connection")})),
        failures=(404,),
        parameters={"id": text()},
    ),
    Row(
        method="POST",
        path="/v1/providers/{provider}/start",
        operation="StartAtProvider",
        variables=from_body,
        summary="Start a connection at one provider",
        success=Success(200, reference("Authorization"), "authorizeConnection"),
        failures=(404,),
        parameters={"provider": text()},
    ),
)


@asynccontextmanager
async def serve(settings: dict[str, str], database_url: str) -> AsyncGenerator[str]:
    """The origin where the gateway is served until the block ends."""
    await migrate(database_url)
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (settings | {"TENDON_DATABASE_URL": database_url}).items():
            patch.setenv(name, value)
        app = create_app(read_settings(), read_environment(), origin, rest=(*ROUTES, *ROWS))
    config = uvicorn.Config(app, port=port, http=BoundedProtocol, log_config=None, ws="none", lifespan="on")
    server = uvicorn.Server(config)
    # Without uvicorn's signal handlers, which would take the place of pytest's.
    serving = asyncio.create_task(server._serve())
    try:
        async with asyncio.timeout(20):
            while not server.started:  # noqa: ASYNC110 - set by the server
                await asyncio.sleep(0.01)
        yield origin
    finally:
        server.should_exit = True
        await serving
