"""The load generator's process, which is started once: what it costs is no part of anything."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import IO, Any

from benchmarks.installing import ROOT
from benchmarks.load import Job, Result


class GeneratorEnded(Exception):
    """It could not do its job, so nothing is known of the one who was to be loaded."""


class LoadGenerator:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def load(self, job: Job) -> Result:
        """Raises GeneratorEnded. What went wrong is on standard error then."""
        _pipe(self._process.stdin).write(json.dumps(asdict(job)) + "\n")
        told = _pipe(self._process.stdout).readline()
        if not told:
            raise GeneratorEnded(f"the generator ended with {self._process.wait()} at {job}")
        members: Mapping[str, Any] = json.loads(told)
        return Result(**members)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            _pipe(pipe).close()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
