"""Several workers on one address, forked by a parent that supervises them and serves no requests itself.

SIGHUP makes the parent replace them one by one (gateway/rolling_restart.py).

docs/adr/0011-workers-are-forked.md compares it with uvicorn's own supervisor.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import structlog
from starlette.types import ASGIApp

from gateway.overload.file_limit import raise_file_limit
from gateway.rolling_restart import READY, RollingRestart
from gateway.server import (
    EXIT_ABORTED,
    EXIT_CANT_START,
    GRACE,
    HAND_OVER,
    KEEP_ALIVE,
    Drain,
    Server,
    on_hangup,
    open_address,
    uvicorn_config,
)
from gateway.worker_process import WorkerProcess
from gateway.workers import Worker, Workers

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
    announce: Callable[[], None] = lambda: None,
    background: WorkerProcess | None = None,
    grace: float = GRACE,
    keep_alive: int = KEEP_ALIVE,
    ready_within: float = READY,
    hand_over: float = HAND_OVER,
) -> None:
    """Serve with `workers` processes until a signal to stop, and then for at most `grace` seconds. Exits with status 1
    when requests were aborted, by the end of that time or a second signal, and with 3 when no worker can serve. SIGHUP
    restarts the workers one by one: each has `ready_within` seconds to start, and the clients of the one that it
    replaces have `hand_over` seconds for one more request on a connection that they keep. `announce` is called when the
    first worker serves; from then on, `background` runs, too.

    Must be called without an event loop and without other threads that stay alive.
    """
    _join_threads()
    raise_file_limit()
    address = open_address(host, port, shared=True)

    def serve(listeners: list[socket.socket], lifeline: int, announce: Callable[[], None]) -> None:
        config = uvicorn_config(app, host, port, drain, grace, keep_alive)
        server = Server(config, drain, announce, lifeline, grace, hand_over)
        server.run(listeners)
        if not server.started:
            sys.exit(EXIT_CANT_START)

    kill_after = grace + _KILL_DELAY
    restart = partial(RollingRestart, finish_within=hand_over + kill_after, ready_within=ready_within)
    sys.exit(_Supervisor(Workers(serve, address), workers, announce, background, restart, kill_after=kill_after).run())


class _Supervisor:
    """The parent process."""

    def __init__(
        self,
        workers: Workers,
        wanted: int,
        announce: Callable[[], None],
        background: WorkerProcess | None,
        restart: Callable[[Workers], RollingRestart],
        *,
        kill_after: float,
    ) -> None:
        self._workers = workers
        self._wanted = wanted
        self._announce = announce
        self._background = background
        self._background_due = 0.0
        self._kill_after = kill_after
        self._begin_restart = restart
        self._woken, self._wake = os.pipe()
        self._signals = 0
        self._restart_wanted = False
        self._restart: RollingRestart | None = None
        self._served = False
        self._aborted = False
        self._failures = 0
        self._not_before = 0.0

    def run(self) -> int:
        """Returns the exit status: 0 after a drain, 1 when requests were aborted, 3 when no worker ever served."""
        self._handle_signals()
        while not self._signals:
            self._reap()
            if self._failed:
                log.error("workers.failed", tries=self._failures)
                self._drain()
                return EXIT_CANT_START
            self._start_workers()
            self._note_ready()
            self._advance_restart()
            self._run_background()
            self._wait()
        return self._drain()

    def _handle_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note_signal)
        on_hangup(self._note_hangup)
        # The end of a worker wakes the parent. If SIGCHLD was inherited as ignored, the kernel would not report it.
        signal.signal(signal.SIGCHLD, self._note_end)
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def _note_signal(self, *_: object) -> None:
        self._signals += 1

    def _note_end(self, *_: object) -> None:
        """The file that Python writes a byte to wakes the parent."""

    def _note_hangup(self, *_: object) -> None:
        self._restart_wanted = True

    def _wait(self) -> None:
        """Until a signal arrives, a worker ends or becomes ready, or for the time between two checks."""
        ends = [self._background.end] if self._background and self._background.end else []
        select.select([self._woken, self._workers.ready_pipe, *ends], [], [], _TICK)
        with suppress(BlockingIOError):
            os.read(self._woken, 64)

    @property
    def _failed(self) -> bool:
        return not self._served and self._failures >= self._wanted + _TRIES

    @property
    def _lacking(self) -> int:
        extra = self._restart.extra if self._restart else 0
        return self._wanted + extra - sum(not worker.replaced for worker in self._workers)

    def _start_workers(self) -> None:
        while self._lacking > 0 and time.monotonic() >= self._not_before:
            try:
                worker = self._workers.start()
            except OSError as error:
                # The machine is short of memory or processes. The other workers go on.
                log.error("worker.not.started", error=error.strerror)  # noqa: TRY400 - never the text
                self._pause_after(0)
                return
            log.info("worker.started", pid=worker.pid)

    def _advance_restart(self) -> None:
        """A SIGHUP during a restart is followed by one more, however many of them there were."""
        if self._restart is None and self._restart_wanted:
            self._restart_wanted = False
            self._restart = self._begin_restart(self._workers)
        if self._restart is not None and not self._restart.advance():
            self._restart = None

    def _reap(self) -> None:
        for worker, ending in self._workers.reap():
            (log.warning if ending else log.info)("worker.ended", pid=worker.pid, status=ending)
            self._aborted |= ending not in _HARMLESS
            if not worker.replaced:
                self._pause_after(worker.lifetime)
                self._pass_on_sockets(worker)

    def _pass_on_sockets(self, worker: Worker) -> None:
        heir = self._restart.heir(worker) if self._restart else None
        if heir is not None:
            self._workers.inherit(worker, heir)
        elif self._not_before <= time.monotonic():
            self._workers.keep_sockets(worker)
        else:
            self._workers.close_sockets(worker)

    def _pause_after(self, lifetime: float) -> None:
        """Pause before the next worker: if every worker fails, restarting them must not keep the machine busy."""
        self._failures = self._failures + 1 if lifetime < _SETTLED else 0
        pause = min(_FIRST_PAUSE * 2.0 ** min(self._failures - 1, 20), _LONGEST_PAUSE) if self._failures else 0
        self._not_before = time.monotonic() + pause

    def _note_ready(self) -> None:
        if not self._workers.note_ready() or self._served:
            return
        self._served = True
        self._announce()

    def _run_background(self) -> None:
        if self._background is None or not self._served:
            return
        if self._background.has_ended:
            self._background_due = time.monotonic() + self._background.note_end()
        elif self._background.end is None and time.monotonic() >= self._background_due:
            self._background_due = time.monotonic() + (self._background.start() or 0)

    def _drain(self) -> int:
        """Close the lifelines and wait for the workers. Kill them on a second signal, or when they don't end in
        time."""
        self._workers.drain()
        if self._background:
            self._background.begin_stop()
        # Only the workers that are still running decide the exit status. Earlier ones were replaced and logged.
        self._aborted = False
        deadline = time.monotonic() + self._kill_after
        while self._workers:
            if self._signals > 1 or time.monotonic() >= deadline:
                self._workers.kill()
            self._reap()
            time.sleep(_TICK / 5)
        if self._background:
            self._background.stop(max(0, deadline - time.monotonic()))
        return EXIT_ABORTED if self._aborted else 0


def _join_threads() -> None:
    """Wait until no other thread runs: a lock that one holds during a fork would never be released in the worker."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(_JOIN)
    if threading.active_count() > 1:
        raise RuntimeError("a process with several threads cannot be forked safely")
