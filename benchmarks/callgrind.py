"""Counts the instructions that a process executes, with Valgrind's Callgrind.

A count doesn't depend on what else the machine does, and hardly on which machine it is. System calls, and with them the
disk, are not counted.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Final

Function = tuple[str, str]
"""The file that a function of C is in, and its name, which is an address if that file has no symbols."""

_NAMES: Final = re.compile(r"(ob|fn)=\((\d+)\)(?: (.+))?|c(ob|fn)=\((\d+)\)(?: (.+))?")
# Callgrind tells apart the calls of a function by itself.
_RECURSION: Final = re.compile(r"'\d+$")
_COST: Final = re.compile(r"(?:[+-]?\d+|\*|0x[0-9a-f]+) (\d+)")


# Valgrind looks for commands after this many blocks of instructions. A server executes some at each tick of its timer,
# so vgdb doesn't need ptrace to wake it, which containers may forbid.
_POLL: Final = "--vgdb-poll=500"
_NO_PTRACE: Final = "--max-invoke-ms=0"


def is_installed() -> bool:
    return all(map(shutil.which, ("valgrind", "vgdb")))


class Callgrind:
    """Counts in one process, which runs `command`. It counts all of its threads, but none of its children.

    `folder` gets the files with the counts, and must not exist.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._counted = 0
        self.seconds = 0.0
        """For how long it counted last."""

    def command(self, program: tuple[str, ...]) -> tuple[str, ...]:
        """The command that runs `program` under Valgrind, which runs it faster while it doesn't count."""
        output = f"--callgrind-out-file={self._folder}/out"
        return ("valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", _POLL, output, *program)

    @contextmanager
    def counting(self, pid: int) -> Generator[None]:
        """Count what the process does during the block."""
        _tell(pid, "instrumentation on")
        began = monotonic()
        try:
            yield
        finally:
            _tell(pid, "instrumentation off")
            self.seconds = monotonic() - began
        # This writes a file, and sets the counters to zero.
        _tell(pid, "dump")
        self._counted += 1

    def functions(self) -> Counter[Function]:
        """The instructions of each function of C that were counted last, without those that it calls."""
        return read_functions((self._folder / f"out.{self._counted}").read_text(encoding="utf-8", errors="replace"))


def read_functions(output: str) -> Counter[Function]:
    """The functions in a file in Callgrind's format, each with its own instructions.

    Files and functions have a number, and a name where they first occur. The line after `calls=` has the cost of the
    function that is called.
    """
    names: dict[tuple[str, str], str] = {}
    found: Counter[Function] = Counter()
    library = function = ""
    skips = False
    for line in output.splitlines():
        if cost := _COST.fullmatch(line):
            if not skips:
                found[library, function] += int(cost[1])
            skips = False
        elif line.startswith("calls="):
            skips = True
        elif given := _NAMES.fullmatch(line):
            kind, number, name, called_kind, called_number, called_name = given.groups()
            if name or called_name:
                names[kind or called_kind, number or called_number] = _RECURSION.sub("", name or called_name)
            if kind == "ob":
                library = names["ob", number]
            elif kind == "fn":
                function = names["fn", number]
    return found


def _tell(pid: int, command: str) -> None:
    """Returns once the process has done it. Raises RuntimeError."""
    done = subprocess.run(
        ["vgdb", _NO_PTRACE, f"--pid={pid}", *command.split()], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"Valgrind can't be told to {command}: {done.stderr[-1000:]}")
