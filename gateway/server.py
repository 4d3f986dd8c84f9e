"""Running an app under uvicorn: no access log of its own, which would print query strings, and an end in which
everything that had begun is finished."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from gateway.protocol import BoundedProtocol

log = structlog.get_logger("tendon")

# Seconds that a process gets to finish what is in flight when it is told to stop.
GRACE: Final = 30
# Seconds that it goes on answering with 503, so that a balancer learns of it before connections are refused.
_LINGER: Final = 0.5
# Seconds that callers get to read the last bytes of their answers.
_FLUSH: Final = 3
# What uvicorn too exits with.
CANT_START: Final = 3

Drain = Callable[[], Awaitable[None]]


class Server(uvicorn.Server):
    """Drains when it is told to stop: the listener stays open, and the app says by `drain` when all has ended.

    `announce` is called when it really listens. `lifeline` is for a worker: the reading end of a pipe, told by its end
    of file that the one who looks after the workers wants them to stop, or is gone.
    """

    def __init__(
        self, config: uvicorn.Config, drain: Drain | None, announce: Callable[[], None], lifeline: int | None = None
    ) -> None:
        super().__init__(config)
        self._drain = drain
        self._announce = announce
        self._lifeline = lifeline
        self._told = False
        self._draining: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """The first signal drains, the second ends. A worker drains whatever comes: a terminal and a unit manager
        signal every process of the service, so that it hears of one stop twice."""
        if self._told and self._lifeline is None:
            os._exit(1)
        self._stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        if self._lifeline is not None:
            asyncio.get_running_loop().add_reader(self._lifeline, self._let_go)
        log.info("listening", host=self.config.host, port=self.config.port)
        self._announce()

    async def on_tick(self, counter: int) -> bool:
        if self._told and self._drain and self._draining is None:
            self._draining = asyncio.create_task(self._finish(self._drain))
        ended = await super().on_tick(counter)
        return ended or (self._draining is not None and self._draining.done())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("stopping")
        await super().shutdown(sockets)
        log.info("stopped")

    def _stop(self) -> None:
        self._told = True
        if not self.started or self._drain is None:
            self.should_exit = True

    def _let_go(self) -> None:
        if self._lifeline is not None:
            asyncio.get_running_loop().remove_reader(self._lifeline)
        self._stop()

    async def _finish(self, drain: Drain) -> None:
        log.info("draining")
        asyncio.get_running_loop().call_later(GRACE, _cut_off)
        await asyncio.gather(drain(), asyncio.sleep(_LINGER))


def _cut_off() -> None:
    """What is still in flight is left as by a crash, which callers and the database can bear. Its answers would say
    less."""
    log.warning("cut.off", seconds=GRACE)
    os._exit(0)


def run(app: ASGIApp, host: str, port: int, *, drain: Drain | None = None, greeting: str | None = None) -> None:
    """Serve in this process until told to stop. Exits with status 3 when the app or the address can't be opened."""

    def announce() -> None:
        if greeting:
            print(greeting, flush=True)  # noqa: T201 - for the person at the terminal

    server = Server(configuration(app, host, port, drain), drain, announce)
    server.run()
    if not server.started:
        sys.exit(CANT_START)


def configuration(app: ASGIApp, host: str, port: int, drain: Drain | None) -> uvicorn.Config:
    return uvicorn.Config(
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
        timeout_graceful_shutdown=_FLUSH if drain else GRACE,
    )
