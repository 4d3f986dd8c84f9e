"""The worker processes of a supervisor: forking them, what connects the parent with each of them, and their end."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn

import structlog

from gateway import logs
from gateway.address import Address
from gateway.server import REPLACED
from resolvers.exception_details import exception_details

log = structlog.get_logger("tendon")

Serve = Callable[[list[socket.socket], int, Callable[[], None]], None]
"""Serves on these sockets, with the reading end of a lifeline, and calls the function when it is ready."""

# The number of bytes of a process id in the pipe on which workers say that they are ready.
_PID: Final = 8


@dataclass(eq=False)
class Worker:
    """A worker as its parent knows it. `listeners` are the parent's copies of its sockets, for the worker that replaces
    it: connections that wait there are then served, and none is reset."""

    pid: int
    began: float
    lifeline_end: int | None
    listeners: list[socket.socket]
    ready: bool = False
    replaced: bool = False
    """Another worker accepts from its sockets, and it finishes what it has begun."""

    def tell(self, message: bytes) -> None:
        if self.lifeline_end is not None:
            with suppress(OSError):
                os.write(self.lifeline_end, message)

    def close_lifeline(self) -> None:
        if self.lifeline_end is not None:
            os.close(self.lifeline_end)
            self.lifeline_end = None

    @property
    def lifetime(self) -> float:
        return time.monotonic() - self.began


class Workers:
    """The workers that are running. The parent alone holds the writing end of each worker's lifeline: when that is
    closed, on purpose or because the parent died, the worker drains. A worker that is starting could miss a signal, but
    not the end of a pipe. All workers share a pipe on which they say that they are ready."""

    def __init__(self, serve: Serve, address: Address) -> None:
        self._serve = serve
        self._address = address
        self._running: dict[int, Worker] = {}
        self._ready, self._ready_end = os.pipe()
        os.set_blocking(self._ready, False)
        # Sockets of workers that have ended, for the next ones.
        self._left: list[list[socket.socket]] = []

    def __iter__(self) -> Iterator[Worker]:
        return iter(list(self._running.values()))

    def __contains__(self, worker: Worker | None) -> bool:
        return worker is not None and self._running.get(worker.pid) is worker

    def __len__(self) -> int:
        return len(self._running)

    @property
    def ready_pipe(self) -> int:
        """Readable when a worker has become ready."""
        return self._ready

    def start(self) -> Worker:
        """Fork one more worker. Returns in the parent only. Raises OSError."""
        listeners = self._left.pop() if self._left else self._address.sockets()
        try:
            return self._fork(listeners, listeners)
        except OSError:
            self._address.close_copies(listeners)
            raise

    def start_beside(self, worker: Worker) -> Worker:
        """Fork one that accepts from the same sockets as `worker`, which it is to replace. Raises OSError."""
        return self._fork(worker.listeners, [])

    def hand_over(self, worker: Worker, to: Worker) -> None:
        """Let `worker` finish what it has begun, now that `to` accepts from its sockets."""
        self.inherit(worker, to)
        worker.replaced = True
        worker.tell(REPLACED)

    def inherit(self, worker: Worker, to: Worker) -> None:
        """The sockets of `worker`, which may have ended, are now those of `to`."""
        to.listeners, worker.listeners = worker.listeners, []

    def reap(self) -> Iterator[tuple[Worker, int]]:
        """The workers that have ended, each with its exit status."""
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            # As the first process of a container, the parent also inherits processes that are not its workers.
            if (worker := self._running.pop(pid, None)) is not None:
                worker.close_lifeline()
                yield worker, os.waitstatus_to_exitcode(status)

    def keep_sockets(self, worker: Worker) -> None:
        """For the next worker, if that starts at once."""
        if worker.listeners:
            self._left.append(worker.listeners)

    def close_sockets(self, worker: Worker) -> None:
        """Otherwise the kernel would queue connections that nobody accepts."""
        self._address.close_copies(worker.listeners)

    def note_ready(self) -> bool:
        """Whether any worker has become ready since the last call."""
        with suppress(BlockingIOError):
            told = os.read(self._ready, 64 * _PID)
            for start in range(0, len(told), _PID):
                if worker := self._running.get(int.from_bytes(told[start : start + _PID])):
                    worker.ready = True
            return bool(told)
        return False

    def drain(self) -> None:
        """Close all lifelines, and the parent's copies of all sockets."""
        for worker in self:
            worker.close_lifeline()
            self.close_sockets(worker)
        for listeners in self._left:
            self._address.close_copies(listeners)
        self._address.close()

    def kill(self) -> None:
        for pid in self._running:
            os.kill(pid, signal.SIGKILL)

    def _fork(self, listeners: list[socket.socket], kept: list[socket.socket]) -> Worker:
        lifeline, end = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(end)
            raise
        else:
            if pid == 0:
                os.close(end)
                self._work(listeners, lifeline)
        finally:
            os.close(lifeline)
        worker = self._running[pid] = Worker(pid, time.monotonic(), end, kept)
        return worker

    def _work(self, listeners: list[socket.socket], lifeline: int) -> NoReturn:
        """Runs a worker. Never returns to the parent's code."""
        status = 1
        try:
            self._leave_to_parent(listeners)
            logs.bind_to_process(worker=os.getpid())
            self._serve(listeners, lifeline, self._announce)
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException as error:  # noqa: BLE001 - no exception may continue in the parent's code
            log.error("worker.failed", **exception_details(error))  # noqa: TRY400 - never the text
        finally:
            os._exit(status)

    def _leave_to_parent(self, own: list[socket.socket]) -> None:
        """A worker must not keep the parent's ends of the pipes, the sockets of others, or the parent's way to handle
        signals. A terminal that is closed sends SIGHUP to workers, too; only the parent acts on it."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.close(self._ready)
        for worker in self:
            worker.close_lifeline()
        for listeners in (*(worker.listeners for worker in self), *self._left):
            if listeners is not own:
                self._address.close_copies(listeners)

    def _announce(self) -> None:
        with suppress(OSError):
            os.write(self._ready_end, os.getpid().to_bytes(_PID))
