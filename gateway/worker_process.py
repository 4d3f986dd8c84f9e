"""The worker that `tendon serve` starts as a child process, and starts again when it has ended.

The two are connected by a pair of sockets: the child's end is its standard input. When serve ends, however it ends, the
child reads the end of the file and stops; when the child ends, serve's socket becomes readable.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger("tendon")

# Seconds before the next start. They double with each child that ends soon after its start.
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
# A child that ends within this many seconds counts as failed.
_SETTLED: Final = 10.0
_COMMAND: Final = (sys.executable, str(Path(__file__).parents[1] / "tendon_cli.py"), "worker", "--until-eof")


class WorkerProcess:
    """`environment` is added to that of this process. The child is not started before `start`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._child: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._began = 0.0
        self._failures = 0
        self._stopping = False
        # A worker process of serve would keep the child alive after its parent.
        os.register_at_fork(after_in_child=self._close_line)

    @property
    def end(self) -> socket.socket | None:
        """Readable when the child has ended. None while there is no child."""
        return self._line

    @property
    def has_ended(self) -> bool:
        return self._line is not None and bool(select.select([self._line], [], [], 0)[0])

    def start(self) -> float | None:
        """Returns None, or, if the machine is short of memory or processes, the seconds until the next attempt."""
        self._line, theirs = socket.socketpair()
        self._began = time.monotonic()
        try:
            with theirs:
                # In a session of its own, so that Ctrl-C and a terminal that is closed reach serve alone.
                self._child = subprocess.Popen(  # noqa: S603 - Tendon itself
                    _COMMAND, stdin=theirs.fileno(), env=os.environ | self._environment, start_new_session=True
                )
        except OSError as error:
            log.error("work.process.not.started", error=error.strerror)  # noqa: TRY400 - never the text
            return self._pause()
        log.info("work.process.started", pid=self._child.pid)
        return None

    def note_end(self) -> float:
        """Call this when the child has ended. Returns the seconds until the next start."""
        child = self._child
        if child is not None:
            status = child.wait()
            (log.info if self._stopping else log.warning)("work.process.ended", pid=child.pid, status=status)
            self._child = None
        return self._pause()

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the child, and start it again on this loop whenever it has ended."""
        if self._stopping:
            return
        pause = self.start()
        if self._line is not None:
            loop.add_reader(self._line, self._start_again, loop)
        elif pause is not None:
            loop.call_later(pause, self.watch, loop)

    def begin_stop(self) -> None:
        """Tell the child to stop, and start it no more."""
        self._stopping = True
        if self._line is not None:
            # Not closed, since a loop may watch it. The child may have ended meanwhile.
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_WR)

    def stop(self, seconds: float) -> None:
        """Stop the child, and wait for its end for up to `seconds`. Kill it then."""
        self.begin_stop()
        child, self._child = self._child, None
        if child is not None:
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._close_line()

    def _start_again(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.remove_reader(self._line)  # pyright: ignore[reportArgumentType] - it was added
        loop.call_later(self.note_end(), self.watch, loop)

    def _pause(self) -> float:
        self._close_line()
        settled = time.monotonic() - self._began >= _SETTLED
        self._failures = 0 if settled else self._failures + 1
        return min(_FIRST_PAUSE * 2.0 ** min(self._failures, 20), _LONGEST_PAUSE) if self._failures else _FIRST_PAUSE

    def _close_line(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            with suppress(OSError):
                line.close()
