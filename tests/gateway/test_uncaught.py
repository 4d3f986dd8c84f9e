"""What nobody catches is logged as one event each, without the texts of exceptions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.processes import environment

# In a process of its own, which it ends.
_PROGRAM = """
import asyncio, threading
from gateway import logs
from gateway.uncaught import log_uncaught, log_uncaught_of

def fail(kind):
    raise kind("CANARY")

class Finalized:
    def __del__(self):
        fail(KeyError)

async def fail_alone():
    fail(LookupError)

async def lose():
    loop = asyncio.get_running_loop()
    log_uncaught_of(loop)
    await asyncio.wait([asyncio.create_task(fail_alone())])
    loop.call_soon(fail, ArithmeticError)
    await asyncio.sleep(0)
    loop.call_exception_handler({"message": "of asyncio", "note": "CANARY"})

logs.set_up("INFO")
log_uncaught()
for kind in (OSError, SystemExit):
    thread = threading.Thread(target=fail, args=(kind,))
    thread.start()
    thread.join()
del thread
Finalized()
asyncio.run(lose())
fail(RuntimeError)
"""


def test_whatever_nobody_catches_is_logged_without_its_text(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=tmp_path,
        env=environment(PYTHONPATH=":".join(path for path in sys.path if path)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines: list[dict[str, Any]] = [json.loads(line) for line in run.stderr.splitlines()]
    assert (run.returncode, run.stdout) == (1, "")
    assert "CANARY" not in run.stderr
    assert {(line["event"], line["level"]) for line in lines} == {("fault", "error")}
    errors = [line["error"] for line in lines]
    assert errors[:2] == ["OSError", "KeyError"]
    assert sorted(errors[2:-1]) == ["ArithmeticError", "LookupError", "of asyncio"]
    assert errors[-1] == "RuntimeError"
    assert all(line["frames"][-1].endswith(" fail") for line in lines if line["error"] != "of asyncio")
