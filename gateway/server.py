"""Runs an app under uvicorn, and stops it gracefully: requests in progress are finished, new ones are rejected."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import signal
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
from gateway.overload.file_limit import raise_file_limit
from wire.waiting import Deadline

log = structlog.get_logger("tendon")

# Seconds for requests in progress to finish after a signal to stop, by default.
GRACE: Final = 30.0
# Seconds that a connection may be idle between two requests, by default. It is longer than the idle time-out of load
# balancers (often 60 seconds): otherwise they would send requests on connections that Tendon is closing.
KEEP_ALIVE: Final = 75
# Seconds for reading what arrived before the signal to stop.
_READ_ARRIVED: Final = 0.1
# Minimum seconds during which new requests are answered with 503, before connections are refused.
_LINGER: Final = 0.5
# Seconds for clients to read the rest of their responses.
_FLUSH: Final = 3
# Seconds for the rest of incomplete request bodies to arrive. Such requests have not begun to run.
_BODIES: Final = 3
# Seconds between two looks whether all connections are closed.
_LOOK: Final = 0.05
# Seconds for clients of a worker that was replaced to send one more request on a connection that they keep.
HAND_OVER: Final = 10.0
# What the supervisor writes to the lifeline of a worker that was replaced.
REPLACED: Final = b"r"
_CLOSE: Final = (b"connection", b"close")
# Exit status when requests in progress were aborted.
EXIT_ABORTED: Final = 1
# Exit status when the server can't start. It is the same as uvicorn's.
EXIT_CANT_START: Final = 3

Drain = Callable[[], Awaitable[None]]


class Server(uvicorn.Server):
    """Drains on a signal to stop: it keeps listening until `drain` returns, when all requests have ended and no more
    arrive. Connections that are in the kernel's accept queue by then are served, too.

    `announce` is called when the server is listening. `lifeline`, for a worker, is the reading end of a pipe: end of
    file means that the supervisor wants the worker to stop, or has died, and REPLACED that another worker accepts from
    the same sockets. After `grace` seconds, requests that are still in progress are aborted, and the exit status is 1.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        drain: Drain | None,
        announce: Callable[[], None],
        lifeline: int | None = None,
        grace: float = GRACE,
        hand_over: float = HAND_OVER,
    ) -> None:
        super().__init__(config)
        self._drain = drain
        self._announce = announce
        self._lifeline = lifeline
        self._grace = grace
        self._hand_over_within = hand_over
        self._stopping = False
        self._signalled = False
        self._listeners: list[socket.socket] = []
        self._handing_over: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """The first signal starts the drain, the second ends the process. A worker ignores the second: terminals and
        service managers signal every process of the service, so that one stop may reach a worker twice."""
        if self._signalled and self._lifeline is None:
            os._exit(EXIT_ABORTED)
        self._signalled = True
        self._stop()

    def handle_hangup(self, *_: object) -> None:
        """SIGHUP starts the drain and never ends the process at once: a terminal that is closed may send several."""
        self._stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._listeners = sockets or []
        try:
            await super().startup(sockets)
            _check_listening(sockets or [])
        except OSError as error:
            _log_failure(self.config.host, self.config.port, error)
            self.started, self.should_exit = False, True
            await self.lifespan.shutdown()
        if not self.started:
            return
        if self._lifeline is not None:
            self._loop.add_reader(self._lifeline, self._read_lifeline, self._lifeline)
        log.info("listening", host=self.config.host, port=self.config.port)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("stopping")
        # No await between accepting and closing: the kernel resets connections that wait at a closed listener.
        waiting = [connection for listener in sockets or [] for connection in _accepted(listener)]
        for server in self.servers:
            server.close()
        for connection in waiting:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)
        log.info("stopped")

    def _protocol(self) -> BoundedProtocol:
        """A protocol for a connection, made as uvicorn makes it for those that it accepts."""
        return BoundedProtocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    def _stop(self) -> None:
        if not self.started or self._drain is None:
            self.should_exit = True
        elif not self._stopping:
            # A signal may come at any time, and while the loop waits for events.
            self._loop.call_soon_threadsafe(self._begin_draining, self._drain)
        self._stopping = True

    def _read_lifeline(self, lifeline: int) -> None:
        if os.read(lifeline, len(REPLACED)) == REPLACED and self._drain is not None:
            if not self._stopping:
                self._handing_over = self._loop.create_task(self._hand_over(self._drain))
            return
        self._loop.remove_reader(lifeline)
        self._stop()

    async def _hand_over(self, drain: Drain) -> None:
        """Leave new connections to the worker that replaces this one, and serve the others until they can be closed
        without losing a request: each gets one more answer, which tells the client to close it."""
        for server in self.servers:
            server.close()
        for listener in self._listeners:
            listener.close()
        # uvicorn adds these to the responses to new requests, and makes the list again once a second.
        self.config.encoded_headers.append(_CLOSE)
        self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]
        for connection in self._connections():
            connection.close_after_response()
        await self._connections_closed(within=self._hand_over_within)
        self._loop.call_later(self._grace, _abort, self._grace)
        Deadline(self._loop, self._reject_incomplete).start(_BODIES)
        for connection in self._connections():
            connection.shutdown()
        await self._connections_closed()
        await drain()
        self.should_exit = True

    async def _connections_closed(self, within: float = math.inf) -> None:
        end = self._loop.time() + within
        while self.server_state.connections and self._loop.time() < end:  # noqa: ASYNC110 - uvicorn sets no event
            await asyncio.sleep(_LOOK)

    def _begin_draining(self, drain: Drain) -> None:
        if self._handing_over is not None:
            # The app adds the header from now on.
            self._handing_over.cancel()
            for headers in (self.config.encoded_headers, self.server_state.default_headers):
                headers.remove(_CLOSE)
        self._draining = self._loop.create_task(self._finish(drain))

    async def _finish(self, drain: Drain) -> None:
        self._loop.call_later(self._grace, _abort, self._grace)
        try:
            await self._read_arrived()
            log.info("draining")
            Deadline(self._loop, self._reject_incomplete).start(_BODIES)
            await asyncio.gather(drain(), asyncio.sleep(_LINGER))
        finally:
            self.should_exit = True

    async def _read_arrived(self) -> None:
        over = asyncio.Event()
        # On a busy machine this process may stand still for as long. It reads what arrived all the same.
        Deadline(self._loop, over.set).start(_READ_ARRIVED)
        await over.wait()

    def _reject_incomplete(self) -> None:
        for connection in self._connections():
            connection.reject_incomplete()

    def _connections(self) -> list[BoundedProtocol]:
        connections: list[object] = list(self.server_state.connections)
        return [connection for connection in connections if isinstance(connection, BoundedProtocol)]


def _accepted(listener: socket.socket) -> Generator[socket.socket]:
    """The connections in the listener's accept queue."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            # The queue is empty, or no file descriptor is left.
            return
        connection.setblocking(False)
        yield connection


def _abort(seconds: float) -> None:
    """Ends the process at once, as a crash would. Callers and the database can handle that, and an error response would
    tell callers less."""
    log.warning("cut.off", seconds=seconds)
    os._exit(EXIT_ABORTED)


def run(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    drain: Drain | None = None,
    announce: Callable[[], None] = lambda: None,
    grace: float = GRACE,
    keep_alive: int = KEEP_ALIVE,
) -> None:
    """Serve in this process until a signal to stop, and then for at most `grace` seconds, which should be longer than
    the longest request takes. `announce` is called on the event loop when the server is listening.

    Exits with status 1 when requests were aborted, or on a second signal, and with 3 when the app can't start or the
    address is not available.
    """
    raise_file_limit()
    address = open_address(host, port, shared=False)
    server = Server(uvicorn_config(app, host, port, drain, grace, keep_alive), drain, announce, grace=grace)
    on_hangup(server.handle_hangup)
    server.run(address.sockets())
    if not server.started:
        sys.exit(EXIT_CANT_START)


def on_hangup(handler: Callable[..., object]) -> None:
    """Handle SIGHUP, unless the process was started to ignore it, as by nohup."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, handler)


def open_address(host: str, port: int, *, shared: bool) -> Address:
    """Bind the sockets. Exits with status 3 when the address is not available."""
    try:
        return Address(host, port, shared=shared)
    except OSError as error:
        _log_failure(host, port, error)
        sys.exit(EXIT_CANT_START)


def _check_listening(listeners: list[socket.socket]) -> None:
    """Raises OSError when another process bound the same address at the same moment and listened first: uvloop doesn't
    report that, and no request would ever be answered."""
    for listener in listeners:
        if listener.fileno() < 0 or not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _log_failure(host: str, port: int, error: OSError) -> None:
    log.error("listening.failed", host=host, port=port, error=error.strerror)


def uvicorn_config(
    app: ASGIApp, host: str, port: int, drain: Drain | None, grace: float = GRACE, keep_alive: int = KEEP_ALIVE
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BoundedProtocol,
        # uvicorn's access log would contain query strings. Tendon's is in gateway/edge.py.
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        timeout_keep_alive=keep_alive,
        timeout_graceful_shutdown=_FLUSH if drain else math.ceil(grace),
    )
