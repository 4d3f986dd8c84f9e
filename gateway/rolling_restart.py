"""Replaces the workers of a supervisor one by one, without losing a request."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from contextlib import suppress
from typing import Final

import structlog

from gateway.workers import Worker, Workers

log = structlog.get_logger("tendon")

# Seconds within which a new worker must serve.
READY: Final = 30.0


class RollingRestart:
    """One restart of the workers that run now. `advance` takes the next step that is possible, and never waits.

    A replacement is started beside the old worker. When it serves, the old one stops accepting and finishes what it has
    begun; when that has ended, after at most `finish_within` seconds, the next worker is replaced. If a replacement
    fails, the restart ends and the remaining workers stay.
    """

    def __init__(self, workers: Workers, *, finish_within: float, ready_within: float = READY) -> None:
        self._workers = workers
        self._finish_within = finish_within
        self._ready_within = ready_within
        self._left = deque(worker for worker in workers if not worker.replaced)
        self._count = len(self._left)
        self._old: Worker | None = None
        self._new: Worker | None = None
        self._deadline = 0.0
        log.info("workers.restarting", workers=self._count)

    @property
    def extra(self) -> int:
        """How many workers more than usual serve now: 1 while a replacement serves beside the one that it replaces."""
        return int(self._old in self._workers and self._new in self._workers)

    def heir(self, ended: Worker) -> Worker | None:
        """The replacement of a worker that has ended before it was ready."""
        return self._new if ended is self._old and self._new in self._workers else None

    def advance(self) -> bool:
        """Whether there is more to do."""
        if self._old is None:
            return self._begin_next()
        if self._new is not None:
            return self._await_new(self._old, self._new)
        if self._old not in self._workers:
            self._old = None
        elif time.monotonic() >= self._deadline:
            log.warning("worker.killed", pid=self._old.pid, reason="it did not finish in time")
            _kill(self._old)
            self._deadline += self._finish_within
        return True

    def _begin_next(self) -> bool:
        while self._left and self._left[0] not in self._workers:
            # It ended meanwhile, and was replaced then.
            self._left.popleft()
        if not self._left:
            log.info("workers.restarted", workers=self._count)
            return False
        old = self._left.popleft()
        try:
            self._new = self._workers.start_beside(old)
        except OSError as error:
            return self._fail(old, error.strerror)
        self._old, self._deadline = old, time.monotonic() + self._ready_within
        log.info("worker.started", pid=self._new.pid, replaces=old.pid)
        return True

    def _await_new(self, old: Worker, new: Worker) -> bool:
        if new not in self._workers:
            return self._fail(old, "the new worker has ended")
        if new.ready:
            if old in self._workers:
                self._workers.hand_over(old, new)
            self._new, self._deadline = None, time.monotonic() + self._finish_within
            log.info("worker.replaced", pid=old.pid, by=new.pid)
        elif time.monotonic() >= self._deadline:
            _kill(new)
            return self._fail(old, "the new worker was not ready in time")
        return True

    def _fail(self, old: Worker, reason: str | None) -> bool:
        log.error("workers.restart.failed", pid=old.pid, reason=reason)
        return False


def _kill(worker: Worker) -> None:
    with suppress(ProcessLookupError):
        os.kill(worker.pid, signal.SIGKILL)
