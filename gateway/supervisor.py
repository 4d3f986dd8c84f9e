"""Several workers on one address, forked by a parent that supervises them and serves no requests itself.

docs/adr/0011-workers-are-forked.md compares it with uvicorn's own supervisor.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

import structlog
from starlette.types import ASGIApp

from gateway.address import Address
from gateway.output import print_notice
from gateway.overload.file_limit import raise_file_limit
from gateway.server import EXIT_ABORTED, EXIT_CANT_START, GRACE, KEEP_ALIVE, Drain, Server, open_address, uvicorn_config
from resolvers.exception_details import exception_details

log = structlog.get_logger("tendon")

# Seconds between two checks of the workers.
_TICK: Final = 0.1
# A worker that ends within this many seconds counts as failed. The next one is started after a pause, which doubles
# with each consecutive failure.
_SETTLED: Final = 10.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 30.0
# The supervisor gives up after this many consecutive failures, plus one for each worker, if no worker ever served.
_TRIES: Final = 4
# Seconds to wait, before the first fork, for threads to end, such as the one of a database that was just closed.
_JOIN: Final = 5.0
# A worker should end by itself within the grace period. It is killed this many seconds later.
_KILL_DELAY: Final = 5.0
# Exit statuses of a worker that aborted no request: it served to the end, or did not serve yet.
_HARMLESS: Final = (0, EXIT_CANT_START, -signal.SIGTERM)


def supervise(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    workers: int,
    drain: Drain,
    greeting: str | None = None,
    grace: float = GRACE,
    keep_alive: int = KEEP_ALIVE,
) -> None:
    """Serve with `workers` processes until a signal to stop, and then for at most `grace` seconds. Exits with status 1
    when requests were aborted, by the end of that time or a second signal, and with 3 when no worker can serve.

    Must be called without an event loop and without other threads that stay alive.
    """
    _join_threads()
    raise_file_limit()
    address = open_address(host, port, shared=True)

    def serve(listeners: list[socket.socket], lifeline: int, announce: Callable[[], None]) -> None:
        server = Server(uvicorn_config(app, host, port, drain, grace, keep_alive), drain, announce, lifeline, grace)
        server.run(listeners)
        if not server.started:
            sys.exit(EXIT_CANT_START)

    sys.exit(_Supervisor(serve, address, workers, greeting, kill_after=grace + _KILL_DELAY).run())


class _Supervisor:
    """The parent process. Two pipes connect it with its workers. It alone holds the writing end of `lifeline`: when
    that is closed, on purpose or because the parent died, every worker drains. A worker that is starting could miss a
    signal, but not the end of the pipe. A worker writes a byte to `ready` when it serves."""

    def __init__(
        self,
        serve: Callable[[list[socket.socket], int, Callable[[], None]], None],
        address: Address,
        workers: int,
        greeting: str | None,
        *,
        kill_after: float,
    ) -> None:
        self._serve = serve
        self._address = address
        self._wanted = workers
        self._greeting = greeting
        self._kill_after = kill_after
        self._lifeline, self._lifeline_end = os.pipe()
        self._ready, self._ready_end = os.pipe()
        os.set_blocking(self._ready, False)
        self._workers: dict[int, float] = {}
        self._signals = 0
        self._served = False
        self._aborted = False
        self._failures = 0
        self._not_before = 0.0

    def run(self) -> int:
        """Returns the exit status: 0 after a drain, 1 when requests were aborted, 3 when no worker ever served."""
        # If SIGCHLD was inherited as ignored, the kernel would not report how workers end.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note_signal)
        while not self._signals:
            self._reap()
            if self._failed:
                log.error("workers.failed", tries=self._failures)
                self._drain()
                return EXIT_CANT_START
            self._start_workers()
            self._note_ready()
            time.sleep(_TICK)
        return self._drain()

    def _note_signal(self, *_: object) -> None:
        self._signals += 1

    @property
    def _failed(self) -> bool:
        return not self._served and self._failures >= self._wanted + _TRIES

    def _start_workers(self) -> None:
        while len(self._workers) < self._wanted and time.monotonic() >= self._not_before:
            try:
                pid = self._fork()
            except OSError as error:
                # The machine is short of memory or processes. The other workers go on.
                log.error("worker.not.started", error=error.strerror)  # noqa: TRY400 - never the text
                self._pause_after(0)
                return
            self._workers[pid] = time.monotonic()
            log.info("worker.started", pid=pid)

    def _fork(self) -> int:
        """Returns in the parent only. Raises OSError."""
        listeners = self._address.sockets()
        try:
            pid = os.fork()
            if pid == 0:
                self._work(listeners)
            return pid
        finally:
            self._address.close_copies(listeners)

    def _reap(self) -> None:
        while self._workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            # As the first process of a container, the parent also inherits processes that are not its workers.
            if (began := self._workers.pop(pid, None)) is not None:
                ending = os.waitstatus_to_exitcode(status)
                (log.warning if ending else log.info)("worker.ended", pid=pid, status=ending)
                self._aborted |= ending not in _HARMLESS
                self._pause_after(time.monotonic() - began)

    def _pause_after(self, lifetime: float) -> None:
        """Pause before the next worker: if every worker fails, restarting them must not keep the machine busy."""
        self._failures = self._failures + 1 if lifetime < _SETTLED else 0
        pause = min(_FIRST_PAUSE * 2.0 ** min(self._failures - 1, 20), _LONGEST_PAUSE) if self._failures else 0
        self._not_before = time.monotonic() + pause

    def _note_ready(self) -> None:
        with suppress(BlockingIOError):
            if not os.read(self._ready, 64) or self._served:
                return
            self._served = True
            if self._greeting:
                print_notice(self._greeting)

    def _drain(self) -> int:
        """Close the lifeline and wait for the workers. Kill them on a second signal, or when they don't end in time."""
        os.close(self._lifeline_end)
        self._address.close()
        # Only the workers that are still running decide the exit status. Earlier ones were replaced and logged.
        self._aborted = False
        deadline = time.monotonic() + self._kill_after
        while self._workers:
            if self._signals > 1 or time.monotonic() >= deadline:
                self._kill()
            self._reap()
            time.sleep(_TICK / 5)
        return EXIT_ABORTED if self._aborted else 0

    def _kill(self) -> None:
        for pid in self._workers:
            os.kill(pid, signal.SIGKILL)

    def _work(self, listeners: list[socket.socket]) -> NoReturn:
        """Runs a worker. Never returns to the parent's code."""
        status = 1
        try:
            # The worker must not keep the parent's ends of the pipes or its signal handlers.
            os.close(self._lifeline_end)
            os.close(self._ready)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            structlog.contextvars.bind_contextvars(worker=os.getpid())
            self._serve(listeners, self._lifeline, self._announce)
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException as error:  # noqa: BLE001 - no exception may continue in the parent's code
            log.error("worker.failed", **exception_details(error))  # noqa: TRY400 - never the text
        finally:
            os._exit(status)

    def _announce(self) -> None:
        with suppress(OSError):
            os.write(self._ready_end, b"!")


def _join_threads() -> None:
    """Wait until no other thread runs: a lock that one holds during a fork would never be released in the worker."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(_JOIN)
    if threading.active_count() > 1:
        raise RuntimeError("a process with several threads cannot be forked safely")
