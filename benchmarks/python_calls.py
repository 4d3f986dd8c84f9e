"""Runs a module and counts, for each function of Python, its calls, the byte codes that it executes, and its calls of
functions of C.

    python -m benchmarks.python_calls FILE MODULE [ARGUMENTS OF THE MODULE]

SIGUSR1 begins to count, in all threads. SIGUSR2 ends it, and writes the counts to FILE, as JSON.
"""

from __future__ import annotations

import json
import runpy
import signal
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

# The places of the counts.
_CALLS, _CODES, _C_CALLS = range(3)


class Recorder:
    """What the interpreter calls for each event. A coroutine that continues counts as a call."""

    def __init__(self) -> None:
        self._on = False
        self._counts: dict[CodeType, list[int]] = {}

    def install(self) -> None:
        for set_trace, set_profile in ((sys.settrace, sys.setprofile), (threading.settrace, threading.setprofile)):
            set_trace(self._trace)
            set_profile(self._profile)

    def begin(self) -> None:
        self._counts.clear()
        self._on = True

    def end(self) -> list[tuple[str, str, list[int]]]:
        """File, name and counts of each function."""
        self._on = False
        return [(code.co_filename, code.co_qualname, counts) for code, counts in list(self._counts.items())]

    def _trace(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "opcode":
            if self._on:
                self._of(frame)[_CODES] += 1
        elif event == "call":
            frame.f_trace_lines, frame.f_trace_opcodes = False, True
            if self._on:
                self._of(frame)[_CALLS] += 1
        return self._trace

    def _profile(self, frame: FrameType, event: str, _argument: Any) -> None:
        if self._on and event == "c_call":
            self._of(frame)[_C_CALLS] += 1

    def _of(self, frame: FrameType) -> list[int]:
        return self._counts.setdefault(frame.f_code, [0, 0, 0])


def main() -> None:
    file, module, *arguments = sys.argv[1:]
    recorder = Recorder()

    def begin(*_: object) -> None:
        recorder.begin()

    def end(*_: object) -> None:
        written = Path(f"{file}.new")
        written.write_text(json.dumps(recorder.end()), encoding="utf-8")
        # A reader sees all of it or none.
        written.rename(file)

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, end)
    recorder.install()
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
