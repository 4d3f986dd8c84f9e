"""Imports all of Tendon once, and forks for each command that is to run. `tests/forked.py` starts it and asks it.

`python -P fork_server.py SOCKET MODULE …` imports the modules and reads requests from the socket with that number until
it is closed. A fork is where a new process is when its imports are done: it runs `main` of the module that the request
names, and then what Python runs at its end.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import sys
import threading
from importlib import import_module
from typing import Any, NoReturn

# The number of bytes in a request comes first, with the files: standard output and error, and where to report.
SIZE = 4
FILES = 3
# The number of bytes in each of the two that are reported: the process id, and the exit status when there is one.
NUMBER = 8


def serve(requests: socket.socket) -> NoReturn:
    """Forks for each request, until the other end closes the socket."""
    while True:
        size, files, _, _ = socket.recv_fds(requests, SIZE, FILES)
        if not size:
            os._exit(0)
        request = json.loads(_receive(requests, int.from_bytes(size)))
        if os.fork() == 0:
            requests.close()
            _become(request, *files)
            _end(request["program"])
        for file in files:
            os.close(file)


def _receive(requests: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += requests.recv(size - len(found))
    return found


def _become(request: dict[str, Any], out: int, err: int, report: int) -> None:
    """Forks again: this process reports what becomes of the command, and the other one returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if pid := os.fork():
        os.close(out)
        os.close(err)
        os.write(report, pid.to_bytes(NUMBER, signed=True))
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(report, status.to_bytes(NUMBER, signed=True))
        os._exit(0)
    os.close(report)
    for file, number in ((out, 1), (err, 2)):
        os.dup2(file, number)
        os.close(file)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]


def _end(program: str) -> NoReturn:
    """Run the program, and end the process as Python does. Only memory is not freed, which takes longer than most
    commands."""
    status = 0
    try:
        import_module(program).main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException as fault:  # noqa: BLE001 - Python prints it, whatever it is
        sys.excepthook(type(fault), fault, fault.__traceback__)
        status = 1
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    gc.disable()
    for name in sys.argv[2:]:
        import_module(name)
    gc.freeze()
    gc.enable()
    # No fork waits for another one, and Ctrl-C is for those who ask.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(socket.socket(fileno=int(sys.argv[1])))
