"""A scratch copy of the repository, in which mutants are planted and tests run. The working tree is never changed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, Self

_IGNORED: Final = (".git", ".venv", ".tendon", ".fuzz", ".bench", "__pycache__", ".hypothesis", "*.db", "node_modules")
_PASSED: Final = 0
_NO_TESTS: Final = 5
_SIGN: Final = 77


@dataclass(frozen=True)
class Run:
    """One run of pytest. `failed` has the ids of the tests or files that failed; it may be empty if nothing could be
    collected, and if it was `stopped` because it took too long."""

    passed: bool
    failed: tuple[str, ...] = ()
    stopped: bool = False
    output: str = ""


class Scratch:
    """The copy at `root`. Its own environment has the packages of the one that runs this, but imports Tendon from the
    copy, also in the servers that tests start."""

    def __init__(self, folder: Path, original: Path) -> None:
        self.root = folder / "tendon"
        self._temporary = folder / "tmp"
        self._temporary.mkdir()
        # PostgreSQL runs as another user, and has its folder in there.
        folder.chmod(0o755)
        self._python = self.root / ".venv" / "bin" / "python"
        self._stamps = count(1_000_000_000)
        shutil.copytree(original, self.root, ignore=shutil.ignore_patterns(*_IGNORED))
        self._make_environment()

    @classmethod
    @contextmanager
    def of(cls, original: Path) -> Generator[Self]:
        folder = Path(tempfile.mkdtemp(prefix="tendon-mutants-"))
        try:
            yield cls(folder, original)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _make_environment(self) -> None:
        venv = self.root / ".venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        (packages,) = venv.glob("lib/python*/site-packages")
        # A .pth file in the other environment, which leads to the original, is not read through this one.
        (packages / "copy.pth").write_text(f"{self.root}\n{sysconfig.get_path('purelib')}\n", encoding="utf-8")
        for program in Path(sys.executable).parent.iterdir():
            head, _, rest = program.read_bytes().partition(b"\n") if program.is_file() else (b"", b"", b"")
            if head == f"#!{sys.executable}".encode():
                copy = venv / "bin" / program.name
                copy.write_bytes(f"#!{self._python}\n".encode() + rest)
                copy.chmod(0o755)

    @contextmanager
    def planted(self, module: str, content: bytes) -> Generator[None]:
        path = self.root / module
        clean = path.read_bytes()
        self._write(path, content)
        try:
            yield
        finally:
            self._write(path, clean)

    def _write(self, path: Path, content: bytes) -> None:
        """With a time of its own: Python would use the byte code of a version of the same length and second."""
        path.write_bytes(content)
        stamp = next(self._stamps)
        os.utime(path, (stamp, stamp))

    def imports_what_is_planted(self, module: str) -> bool:
        """Whether both a Python and the command `tendon` of the copy import the copy's module."""
        name = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        commands = [[self._python, "-c", f"import {name}"], [self._python.with_name("tendon"), "--version"]]
        with self.planted(module, f"raise SystemExit({_SIGN})".encode()):
            # In another folder, so that the current one is not what makes the difference.
            ends = [
                subprocess.run(command, cwd=self._temporary, env=self._variables, capture_output=True, check=False)
                for command in commands
            ]
        return all(end.returncode == _SIGN for end in ends)

    @property
    def _variables(self) -> dict[str, str]:
        """The environment without what could lead to the original, and without a developer's settings."""
        unwanted = ("PYTHON", "PYTEST", "TENDON_", "SANDBOX_", "VIRTUAL_ENV", "MAKE", "MFLAGS", "COVERAGE")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        return inherited | {"TMPDIR": str(self._temporary)}

    def test(self, arguments: Sequence[str], *, seconds: float, first_only: bool = True) -> Run:
        """Run pytest, until the first failure unless it should not be `first_only`."""
        cache = self._temporary / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        options = ["-q", "--no-header", "-o", f"cache_dir={cache}", *(["-x"] if first_only else [])]
        with subprocess.Popen(
            [self._python, "-m", "pytest", *options, *arguments],
            cwd=self.root,
            env=self._variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                return Run(passed=False, stopped=True)
            finally:
                self._end_all(process.pid)
        if process.returncode in (_PASSED, _NO_TESTS):
            return Run(passed=True)
        return Run(passed=False, failed=_failed(cache), output=output)

    def _end_all(self, group: int) -> None:
        """Ends what a run left behind: its process group, and PostgreSQL's servers, which have groups of their own."""
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        for folder in self._temporary.glob("tendon-postgres-*"):
            with suppress(OSError, ValueError, IndexError):
                server = (folder / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0]
                os.kill(int(server), signal.SIGQUIT)
            shutil.rmtree(folder, ignore_errors=True)


def _failed(cache: Path) -> tuple[str, ...]:
    try:
        return tuple(json.loads((cache / "v" / "cache" / "lastfailed").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return ()
