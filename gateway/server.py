"""Running an app under uvicorn: no access log of its own, which would print query strings, and a grace at the end."""

from __future__ import annotations

import signal
import socket
import sys
from types import FrameType
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from gateway.protocol import BoundedProtocol

log = structlog.get_logger("tendon")

# Seconds that requests in flight get to finish when the service is told to stop.
_GRACE: Final = 30


class _Server(uvicorn.Server):
    """Says its greeting when it really listens."""

    def __init__(self, config: uvicorn.Config, greeting: str | None) -> None:
        super().__init__(config)
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        log.info("listening", host=self.config.host, port=self.config.port)
        if self._greeting:
            print(self._greeting, flush=True)  # noqa: T201 - for the person at the terminal

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("stopping")
        await super().shutdown(sockets)
        log.info("stopped")


def _ended(_signal: int, _frame: FrameType | None) -> None:
    """Nothing is left to do."""


def run(app: ASGIApp, host: str, port: int, greeting: str | None = None) -> None:
    """Serve until told to stop. Exits with status 3 when the app or the address can't be opened."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BoundedProtocol,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=_GRACE,
    )
    # uvicorn drains and then raises the signal again: a stop that was asked for is no failure, so it ends at these.
    for wanted in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wanted, _ended)
    server = _Server(config, greeting)
    server.run()
    if not server.started:
        sys.exit(3)
