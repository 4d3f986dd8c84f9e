"""CPU time and memory of process trees, as the operating system counts them, and the cores that processes use.

Linux only.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
SERVER = {CORES[0]}
"""The core of the contender that is measured."""

OTHERS = set(CORES[1:] or CORES)
"""The cores of everything else: generator, provider and database server."""

Cpu = dict[int, float]
"""CPU seconds by process."""


def leave_server_core() -> None:
    """Leave the first core to the contender: this process and its children run on the others."""
    os.sched_setaffinity(0, OTHERS)


@contextmanager
def pinned(cores: set[int]) -> Generator[None]:
    """Processes that are started in this block run on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def tree(pid: int) -> Iterator[int]:
    """The process and all its descendants."""
    yield pid
    for task in _tasks(pid):
        for child in _read(task / "children").split():
            yield from tree(int(child))


def cpu(pid: int) -> Cpu:
    """User and system time of each process of the tree, to the nanosecond, as the scheduler counts it."""
    return {process: _cpu_seconds(process) for process in tree(pid)}


def spent(before: Cpu, after: Cpu) -> float:
    """CPU seconds between two readings. The time of processes that ended in between is lost."""
    return sum(seconds - before.get(process, 0.0) for process, seconds in after.items())


def memory_mb(pid: int) -> float:
    """Resident memory of the tree."""
    return sum(_resident(process) for process in tree(pid)) / 1024


def _cpu_seconds(pid: int) -> float:
    lines = [_read(task / "schedstat") for task in _tasks(pid)]
    return sum(int(line.split()[0]) for line in lines if line) / 1e9


def _resident(pid: int) -> int:
    found = [line for line in _read(Path(f"/proc/{pid}/status")).splitlines() if line.startswith("VmRSS")]
    return int(found[0].split()[1]) if found else 0


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    """Empty if the process has ended."""
    try:
        return path.read_text()
    except OSError:
        return ""
