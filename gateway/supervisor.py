"""Several workers on one address, forked by a parent that looks after them and serves nothing itself.

uvicorn has a supervisor, too. It spawns, so that each worker would import and build everything anew and make up its own
secrets; it takes an import string and its own Server only; and its workers outlive a parent that is killed, and keep
the port.
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
from gateway.server import CANT_START, CUT_OFF, GRACE, KEEP_ALIVE, Drain, Server, configuration, open_address
from resolvers.failures import described

log = structlog.get_logger("tendon")

# Seconds. The parent looks after its workers that often,
_TICK: Final = 0.1
# takes one that ended before this for one that can't serve,
_SETTLED: Final = 10.0
# and lets this pass, doubled with each of them in a row, before the next.
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 30.0
# So many in a row without a worker that ever served are enough, beside one for each place.
_TRIES: Final = 4
# Threads that were told to end, such as a closed database's, have that long before the first fork.
_JOIN: Final = 5.0
# A worker ends by itself when its grace is over. Seconds after which it is taken for one that can't.
_BEYOND: Final = 5.0
# Endings of a worker that lose nothing: it served to the end, or did not serve yet.
_HARMLESS: Final = (0, CANT_START, -signal.SIGTERM)


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
    """Serve with `workers` processes until told to stop, and then for `grace` seconds at most. Exits with status 1 when
    something was cut off, because that was not enough or a second signal came, and with 3 when nothing can be served.

    Call it without an event loop, and without a thread that goes on.
    """
    _join_threads()
    raise_file_limit()
    address = open_address(host, port, shared=True)

    def serve(listeners: list[socket.socket], lifeline: int, announce: Callable[[], None]) -> None:
        server = Server(configuration(app, host, port, drain, grace, keep_alive), drain, announce, lifeline, grace)
        server.run(listeners)
        if not server.started:
            sys.exit(CANT_START)

    sys.exit(_Parent(serve, address, workers, greeting, kill_after=grace + _BEYOND).run())


class _Parent:
    """Two pipes join it with its workers. Of `lifeline` only the parent holds the writing end: closed on purpose or by
    the parent's death, it tells every worker to drain, and can't be missed as a signal can while a worker starts.
    Into `word` a worker writes a byte when it serves."""

    def __init__(
        self,
        serve: Callable[[list[socket.socket], int, Callable[[], None]], None],
        address: Address,
        places: int,
        greeting: str | None,
        *,
        kill_after: float,
    ) -> None:
        self._serve = serve
        self._address = address
        self._places = places
        self._greeting = greeting
        self._kill_after = kill_after
        self._lifeline, self._held = os.pipe()
        self._word, self._saying = os.pipe()
        os.set_blocking(self._word, False)
        self._workers: dict[int, float] = {}
        self._signals = 0
        self._served = False
        self._cut_off = False
        self._early = 0
        self._not_before = 0.0

    def run(self) -> int:
        """Returns the exit status: 0 after a drain, 1 when something was cut off, 3 when none ever served."""
        # Ignored, as it may be inherited, the kernel would keep from us how workers end.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for wanted in (signal.SIGINT, signal.SIGTERM):
            signal.signal(wanted, self._note_signal)
        while not self._signals:
            self._reap()
            if self._hopeless:
                log.error("workers.failed", tries=self._early)
                self._drain()
                return CANT_START
            self._fill()
            self._listen()
            time.sleep(_TICK)
        return self._drain()

    def _note_signal(self, *_: object) -> None:
        self._signals += 1

    @property
    def _hopeless(self) -> bool:
        return not self._served and self._early >= self._places + _TRIES

    def _fill(self) -> None:
        while len(self._workers) < self._places and time.monotonic() >= self._not_before:
            try:
                pid = self._fork()
            except OSError as fault:
                # The machine is short of something. The workers that are there go on.
                log.error("worker.not.started", error=fault.strerror)  # noqa: TRY400 - never the text
                self._rest(0)
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
            self._address.forget(listeners)

    def _reap(self) -> None:
        while self._workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            # As the first process of a container the parent is given the orphans of others, too.
            if (began := self._workers.pop(pid, None)) is not None:
                ending = os.waitstatus_to_exitcode(status)
                (log.warning if ending else log.info)("worker.ended", pid=pid, status=ending)
                self._cut_off |= ending not in _HARMLESS
                self._rest(time.monotonic() - began)

    def _rest(self, lived: float) -> None:
        """After a worker that hardly lived, a pause: what ends each of them at once must not keep the machine busy."""
        self._early = self._early + 1 if lived < _SETTLED else 0
        pause = min(_FIRST_PAUSE * 2.0 ** min(self._early - 1, 20), _LONGEST_PAUSE) if self._early else 0
        self._not_before = time.monotonic() + pause

    def _listen(self) -> None:
        with suppress(BlockingIOError):
            if not os.read(self._word, 64) or self._served:
                return
            self._served = True
            if self._greeting:
                print_notice(self._greeting)

    def _drain(self) -> int:
        """A second signal, or workers that outlive their grace: they are killed."""
        os.close(self._held)
        self._address.leave()
        # What died before is replaced and told of already.
        self._cut_off = False
        deadline = time.monotonic() + self._kill_after
        while self._workers:
            if self._signals > 1 or time.monotonic() >= deadline:
                self._kill()
            self._reap()
            time.sleep(_TICK / 5)
        return CUT_OFF if self._cut_off else 0

    def _kill(self) -> None:
        for pid in self._workers:
            os.kill(pid, signal.SIGKILL)

    def _work(self, listeners: list[socket.socket]) -> NoReturn:
        """The life of a worker. It never returns into what the parent was doing."""
        status = 1
        try:
            # The parent's own ends, and its handlers, are no business of the worker.
            os.close(self._held)
            os.close(self._word)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            structlog.contextvars.bind_contextvars(worker=os.getpid())
            self._serve(listeners, self._lifeline, lambda: _say(self._saying))
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException as fault:  # noqa: BLE001 - whatever it is, it ends this process only
            log.error("worker.failed", **described(fault))  # noqa: TRY400 - never the text
        finally:
            os._exit(status)


def _join_threads() -> None:
    """A lock that another thread holds while this one forks is never released in the worker."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(_JOIN)
    if threading.active_count() > 1:
        raise RuntimeError("a process with several threads can't be forked safely")


def _say(word: int) -> None:
    with suppress(OSError):
        os.write(word, b"!")
