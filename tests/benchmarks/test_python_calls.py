from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.installing import ROOT

_PROGRAM = """
import os, signal, sys, threading

def counted():
    return len("abc") + len("de")

def elsewhere():
    counted()

counted()
os.kill(os.getpid(), signal.SIGUSR1)
counted()
thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()
os.kill(os.getpid(), signal.SIGUSR2)
counted()
assert sys.argv[1:] == ["--option"]
"""


def test_only_calls_between_the_signals_count_in_all_threads(tmp_path: Path) -> None:
    (tmp_path / "counted_program.py").write_text(_PROGRAM, encoding="utf-8")
    counts = tmp_path / "counts"
    command = [sys.executable, "-m", "benchmarks.python_calls", str(counts), "counted_program", "--option"]
    subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": f"{ROOT}:{tmp_path}"}, check=True, timeout=60)
    found = {name: row for file, name, row in json.loads(counts.read_text()) if "counted_program" in file}
    calls, codes, calls_of_c = found["counted"]
    assert (calls, calls_of_c) == (2, 4)
    assert codes >= 2 * 8
    assert found["elsewhere"][0] == 1
