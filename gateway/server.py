"""Running an app under uvicorn: no access log of its own, which would print query strings, and an end in which
everything that had begun is finished."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Generator
from types import FrameType
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from gateway.address import Address
from gateway.http11.protocol import BoundedProtocol
from gateway.output import print_notice
from gateway.overload.file_limit import raise_file_limit
from wire.deadline import Deadline

log = structlog.get_logger("tendon")

# Seconds that a process gets to finish what is in flight when it is told to stop, unless more is said.
GRACE: Final = 30.0
# Seconds that a connection may be idle between two requests, by default: longer than load balancers keep theirs (often
# 60 seconds), or they would send requests into connections that are being closed.
KEEP_ALIVE: Final = 75
# Seconds to read what arrived before the process was told to stop.
_ARRIVED: Final = 0.1
# Minimum seconds of answering with 503, so that connections are not refused at once.
_LINGER: Final = 0.5
# Seconds that callers get to read the last bytes of their answers.
_FLUSH: Final = 3
# Seconds that the bodies of requests that had begun get to arrive. Nothing was done for those yet.
_ARRIVING: Final = 3
# Exit statuses: something in flight was cut off;
CUT_OFF: Final = 1
# what uvicorn too exits with.
CANT_START: Final = 3

Drain = Callable[[], Awaitable[None]]


class Server(uvicorn.Server):
    """Drains when told to stop: the listener stays open until `drain` returns, when all requests have ended and no more
    arrive. Connections still in the kernel's accept queue by then are served, too.

    `announce` is called when the server is listening. `lifeline` is the reading end of a pipe, for a worker: end of
    file means that the supervisor wants it to stop, or is gone. What is not finished within `grace` seconds is cut off,
    and the exit status is 1.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        drain: Drain | None,
        announce: Callable[[], None],
        lifeline: int | None = None,
        grace: float = GRACE,
    ) -> None:
        super().__init__(config)
        self._drain = drain
        self._announce = announce
        self._lifeline = lifeline
        self._grace = grace
        self._told = False
        self._draining: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """The first signal drains, the second ends. A worker drains whatever comes: a terminal and a unit manager
        signal every process of the service, so that it hears of one stop twice."""
        if self._told and self._lifeline is None:
            os._exit(CUT_OFF)
        self._stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
            _check_listening(sockets or [])
        except OSError as fault:
            _tell_failure(self.config.host, self.config.port, fault)
            await self.lifespan.shutdown()
            self.started, self.should_exit = False, True
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
        # No await between accepting and closing: the kernel resets connections that wait at a closed listener.
        waiting = [connection for listener in sockets or [] for connection in _waiting(listener)]
        for server in self.servers:
            server.close()
        for connection in waiting:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)
        log.info("stopped")

    def _protocol(self) -> BoundedProtocol:
        """Built as uvicorn does for a connection that it accepts."""
        return BoundedProtocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    def _stop(self) -> None:
        self._told = True
        if not self.started or self._drain is None:
            self.should_exit = True

    def _let_go(self) -> None:
        if self._lifeline is not None:
            asyncio.get_running_loop().remove_reader(self._lifeline)
        self._stop()

    async def _finish(self, drain: Drain) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(self._grace, _cut_off, self._grace)
        await asyncio.sleep(_ARRIVED)
        log.info("draining")
        Deadline(loop, self._refuse_unfinished).start(_ARRIVING)
        await asyncio.gather(drain(), asyncio.sleep(_LINGER))

    def _refuse_unfinished(self) -> None:
        connections: list[object] = list(self.server_state.connections)
        for connection in connections:
            if isinstance(connection, BoundedProtocol):
                connection.refuse_incomplete()


def _waiting(listener: socket.socket) -> Generator[socket.socket]:
    """The connections in the listener's accept queue."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            # The queue is empty, or no file descriptor is left.
            return
        connection.setblocking(False)
        yield connection


def _cut_off(seconds: float) -> None:
    """What is still in flight is left as by a crash, which callers and the database can bear. Its answers would say
    less."""
    log.warning("cut.off", seconds=seconds)
    os._exit(CUT_OFF)


def run(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    drain: Drain | None = None,
    greeting: str | None = None,
    grace: float = GRACE,
    keep_alive: int = KEEP_ALIVE,
) -> None:
    """Serve in this process until told to stop, and then for `grace` seconds at most, which should be longer than what
    may be in flight takes.

    Exits with status 1 when that was not enough and something was cut off, or when told to stop twice, and with 3 when
    the app or the address can't be opened.
    """

    def announce() -> None:
        if greeting:
            print_notice(greeting)

    raise_file_limit()
    address = open_address(host, port, shared=False)
    server = Server(configuration(app, host, port, drain, grace, keep_alive), drain, announce, grace=grace)
    server.run(address.sockets())
    if not server.started:
        sys.exit(CANT_START)


def open_address(host: str, port: int, *, shared: bool) -> Address:
    """Exits with status 3 when it can't be had."""
    try:
        return Address(host, port, shared=shared)
    except OSError as fault:
        _tell_failure(host, port, fault)
        sys.exit(CANT_START)


def _check_listening(listeners: list[socket.socket]) -> None:
    """Raises OSError when somebody else bound the same address at the same moment and listened first. uvloop keeps that
    to itself, and nobody would ever be answered."""
    for listener in listeners:
        if listener.fileno() < 0 or not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _tell_failure(host: str, port: int, fault: OSError) -> None:
    log.error("listening.failed", host=host, port=port, error=fault.strerror)


def configuration(
    app: ASGIApp, host: str, port: int, drain: Drain | None, grace: float = GRACE, keep_alive: int = KEEP_ALIVE
) -> uvicorn.Config:
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
        timeout_keep_alive=keep_alive,
        timeout_graceful_shutdown=_FLUSH if drain else math.ceil(grace),
    )
