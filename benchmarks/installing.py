"""Installs the contenders under .bench/: virtual environments and a node_modules folder, with pinned versions.

Tendon doesn't depend on the peers' packages, and its own environment there has no development tools.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, MutableMapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tendon_cli import PACKAGES

ROOT = Path(__file__).parent.parent
BENCH = ROOT / ".bench"
PYTHON = BENCH / "venv" / "bin" / "python"
SHIPPED = BENCH / "tendon" / "bin" / "python"
"""Of the environment that has Tendon without its development tools."""

NODE = shutil.which("node") or "node"
NODE_MODULES = BENCH / "node" / "node_modules"

_PEERS = Path(__file__).parent / "peers"
_REQUIREMENTS = _PEERS / "requirements.txt"
_PACKAGE = _PEERS / "node" / "package.json"
_LOCK = ROOT / "requirements.lock"


def prepare() -> None:
    """Create the folder, which git ignores, and make every process start under the same conditions. On SIGTERM and
    SIGINT, exit normally, so that no process keeps running."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    BENCH.mkdir(exist_ok=True)
    (BENCH / ".gitignore").write_text("*\n")
    forget_options_of_python(os.environ)
    _compile_own_modules()


def forget_options_of_python(environment: MutableMapping[str, str]) -> None:
    """A shell may forbid Python to write byte code, or turn on its development mode, say."""
    for name in [name for name in environment if name.startswith("PYTHON")]:
        del environment[name]


def _compile_own_modules() -> None:
    """As installing Tendon does. Otherwise the first start after each change would be slower than the others."""
    for package in (*PACKAGES, "benchmarks"):
        compileall.compile_dir(ROOT / package, quiet=1)
    compileall.compile_file(ROOT / "tendon_cli.py", quiet=1)


def _end(_number: int, _frame: object) -> None:
    sys.exit("ended")


def scratch(stack: ExitStack) -> Path:
    """A folder for one run, on the same disk as everything else."""
    return Path(stack.enter_context(TemporaryDirectory(prefix="run-", dir=BENCH, ignore_cleanup_errors=True)))


def missing(need: str, say: Callable[[str], None]) -> str | None:
    """Install what contenders with this need (`tendon`, `python`, `node`) require. Returns why it failed, or None."""
    if need == "node" and not (shutil.which("node") and shutil.which("npm")):
        return "Node is not installed"
    install = {"": _nothing, "tendon": _tendon, "python": _python, "node": _node}[need]
    try:
        install(say)
    except OSError as fault:
        return f"the packages can't be installed: {fault}"
    return None


def _nothing(_say: Callable[[str], None]) -> None:
    """Tendon's development environment is enough."""


def _tendon(say: Callable[[str], None]) -> None:
    with _Stamp(BENCH / "tendon", _LOCK) as fresh:
        if not fresh:
            say("installing Tendon as it runs in production")
            folder = str(BENCH / "tendon")
            _run(sys.executable, "-m", "venv", "--clear", folder)
            pip = (str(Path(sys.executable).parent / "uv"), "pip", "install", "-q", "--python", folder)
            _run(*pip, "--constraint", str(_LOCK), "--editable", str(ROOT))
            _run(str(SHIPPED), "-m", "compileall", "-q", str(BENCH / "tendon" / "lib"))


def _python(say: Callable[[str], None]) -> None:
    with _Stamp(BENCH / "venv", _REQUIREMENTS) as fresh:
        if not fresh:
            say("installing the Python peers' packages")
            _run(sys.executable, "-m", "venv", "--clear", str(BENCH / "venv"))
            _run(str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(_REQUIREMENTS))


def _node(say: Callable[[str], None]) -> None:
    with _Stamp(BENCH / "node", _PACKAGE) as fresh:
        if not fresh:
            say("installing the Node peers' packages, a minute or two")
            shutil.copy(_PACKAGE, BENCH / "node")
            quiet = ("--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
            _run("npm", "install", *quiet, cwd=BENCH / "node")


class _Stamp:
    """Whether a folder was created from the current version of a file. If the block ends without an error, it was."""

    def __init__(self, folder: Path, made_from: Path) -> None:
        self._stamp = folder / ".made-from"
        self._digest = hashlib.sha256(made_from.read_bytes()).hexdigest()

    def __enter__(self) -> bool:
        self._stamp.parent.mkdir(parents=True, exist_ok=True)
        return self._stamp.exists() and self._stamp.read_text() == self._digest

    def __exit__(self, kind: object, _fault: object, _trace: object) -> None:
        if kind is None:
            self._stamp.write_text(self._digest)


def _run(*command: str, cwd: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr[-1000:])
