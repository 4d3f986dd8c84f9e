"""`make run` on a machine where something is missing, wrong or interrupted: what it prints, and what it leaves behind.

The real Makefile in a folder of its own, with a fake Python: it creates a `.venv` of shell scripts.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ["Makefile", "pyproject.toml", *(path.name for path in ROOT.glob("requirements*.lock"))]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

# What `python -m venv .venv` creates: an interpreter with a pip as the test requires it, and a `tendon` that prints its
# arguments.
_VENV = """
mkdir -p .venv/bin && : > .venv/made-once
cat > .venv/bin/python <<'END'
#!/bin/sh
case "$*" in *pip\\ install*) {pip} ;; *) exec {pretender} "$@" ;; esac
END
printf '#!/bin/sh\\necho "tendon $*"\\n' > .venv/bin/tendon
chmod +x .venv/bin/*
"""
_PRETENDER = """#!{python}
import sys

if sys.argv[1:3] == ["-m", "venv"]:
    import subprocess
    sys.exit(subprocess.call(["sh", "-c", {venv!r}]))
{pretence}
exec(sys.argv[2])
"""


class Machine:
    """A checkout at `folder`, and Pythons on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venv = folder / ".venv"
        for name in COPIED:
            shutil.copy(ROOT / name, folder)
        shutil.copytree(ROOT / "scripts", folder / "scripts")

    def python(self, name: str, *, pretence: str = "", pip: str = "exit 0") -> Path:
        path = self.folder / name
        venv = _VENV.format(pip=pip, pretender=path)
        path.write_text(_PRETENDER.format(python=sys.executable, venv=venv, pretence=pretence), encoding="utf-8")
        path.chmod(0o755)
        return path

    @property
    def _environment(self) -> dict[str, str]:
        """Without the variables that the make running the tests exports."""
        return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTHON"))}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["make", *arguments],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def make(self, *arguments: str) -> tuple[int, str, str]:
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=60)
        assert "Traceback" not in err
        return process.returncode, out, err


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def version(*numbers: int) -> str:
    return f"sys.version_info = {(*numbers, 'final', 0)!r}"


def test_what_it_does_is_said_while_it_is_done(machine: Machine) -> None:
    python = machine.python("python", pretence=version(3, 12, 4))
    status, out, _ = machine.make("run", f"PYTHON={python}", "PORT=8123")
    count = len(re.findall(r"^\w.*==(?!.*== 'win32')", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    count += len(re.findall(r"^\w.*==(?!.*== 'win32')", (ROOT / "requirements-build.lock").read_text(), re.MULTILINE))
    assert (status, out.splitlines()) == (
        0,
        [
            "Creating .venv with Python 3.12.4",
            f"Installing {count} packages into .venv, which takes about half a minute",
            "Migrating the database",
            "tendon migrate",
            "Starting Tendon on http://127.0.0.1:8123",
            "tendon serve --port 8123",
        ],
    )
    # Once created, it is not touched.
    status, out, _ = machine.make("run", f"PYTHON={python}")
    assert (status, out.splitlines()[0]) == (0, "Migrating the database")


@pytest.mark.parametrize("numbers", [(2, 7, 18), (3, 9, 2), (3, 10, 14)])
def test_a_python_that_is_too_old(machine: Machine, numbers: tuple[int, ...]) -> None:
    python = machine.python("python", pretence=version(*numbers))
    status, out, err = machine.make("run", f"PYTHON={python}")
    found = ".".join(map(str, numbers))
    assert (status, out) == (2, "")
    assert err.startswith(f"{python} is Python {found}, but Tendon needs 3.11 or newer.\n")
    assert re.search(r"such as: make run PYTHON=python3", err)
    assert not machine.venv.exists()
    # So the right Python has nothing in its way.
    assert machine.make("run", f"PYTHON={machine.python('better')}")[0] == 0


def test_the_advice_is_for_the_target_that_was_asked_for(machine: Machine) -> None:
    python = machine.python("python", pretence=version(3, 9, 2))
    status, _, err = machine.make("test", f"PYTHON={python}")
    assert status == 2
    assert re.search(r"such as: make test PYTHON=python3", err)


def test_the_oldest_python_is_what_the_project_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    script = (ROOT / "scripts" / "make-venv").read_text(encoding="utf-8")
    assert f">={re.findall(r'^oldest=(.+)$', script, re.MULTILINE)[0]}" == project["requires-python"]


def test_a_python_without_venv(machine: Machine) -> None:
    """As Debian's without python3-venv."""
    python = machine.python("python", pretence="sys.modules['ensurepip'] = None")
    status, out, err = machine.make("run", f"PYTHON={python}")
    assert (status, out) == (2, "")
    assert "without the modules venv and ensurepip" in err
    assert "apt install python3-venv" in err
    assert not machine.venv.exists()


def test_a_python_that_is_not_there(machine: Machine) -> None:
    status, out, err = machine.make("run", "PYTHON=/nowhere/python3")
    assert (status, out) == (2, "")
    assert err.startswith("PYTHON=/nowhere/python3 can't be run, so .venv can't be created.\n")
    assert not machine.venv.exists()


def test_an_installation_that_fails(machine: Machine) -> None:
    broken = machine.python("broken", pip="echo no space left >&2; exit 1")
    status, _, err = machine.make("run", f"PYTHON={broken}")
    assert status == 2
    assert "no space left" in err
    assert ".venv could not be completed and was removed." in err
    assert not machine.venv.exists()


def test_a_new_lock_that_can_not_be_installed(machine: Machine) -> None:
    """The existing packages stay, and the next attempt installs the lock."""
    python = machine.python("python")
    assert machine.make("run", f"PYTHON={python}")[0] == 0
    interpreter = machine.venv / "bin" / "python"
    good = interpreter.read_text(encoding="utf-8")
    interpreter.write_text(good.replace("exit 0", "exit 1"), encoding="utf-8")
    later = time.time() + 5
    os.utime(machine.folder / "requirements.lock", (later, later))
    assert machine.make("run")[0] == 2
    assert (machine.venv / "made-once").exists()
    interpreter.write_text(good, encoding="utf-8")
    status, out, _ = machine.make("run")
    assert status == 0
    assert out.startswith("Updating ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interruption(machine: Machine, number: signal.Signals) -> None:
    slow = machine.python("slow", pip="touch installing; exec sleep 30")
    with machine.start("run", f"PYTHON={slow}") as process:
        end = time.monotonic() + 30
        while not (machine.folder / "installing").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        os.killpg(process.pid, number)
        process.communicate(timeout=30)
    assert machine.venv.exists() == (number == signal.SIGKILL)
    if machine.venv.exists():
        (machine.venv / "made-once").unlink()
    status, out, _ = machine.make("run", f"PYTHON={machine.python('python')}")
    assert status == 0
    assert out.startswith("Creating .venv ")
    assert (machine.venv / "made-once").exists()


def test_another_python_is_chosen(machine: Machine) -> None:
    first = machine.python("first", pretence=version(3, 11, 2))
    second = machine.python("second", pretence=version(3, 12, 4))
    assert "Creating .venv with Python 3.11.2" in machine.make("run", f"PYTHON={first}")[1]
    assert "Creating .venv with Python 3.12.4" in machine.make("run", f"PYTHON={second}")[1]
    assert "Creating" not in machine.make("run")[1]


def test_a_python_that_has_gone(machine: Machine) -> None:
    """As after an upgrade of the system."""
    python = machine.python("python")
    assert machine.make("run", f"PYTHON={python}")[0] == 0
    (machine.venv / "bin" / "python").unlink()
    assert machine.make("run", f"PYTHON={python}")[1].startswith("Creating .venv ")


def test_tests_need_more_than_running(machine: Machine) -> None:
    python = machine.python("python")
    (machine.folder / "pytest").write_text("#!/bin/sh\necho tested\n", encoding="utf-8")
    assert machine.make("run", f"PYTHON={python}")[0] == 0
    shutil.copy(machine.folder / "pytest", machine.venv / "bin" / "pytest")
    (machine.venv / "bin" / "pytest").chmod(0o755)
    status, out, _ = machine.make("test")
    assert status == 0
    assert out.startswith("Installing ")
    assert out.endswith("tested\n")
    assert "Installing" not in machine.make("test")[1]


def test_only_fuzzing_needs_the_fuzzer(machine: Machine) -> None:
    """It is not there for every Python and machine."""
    (machine.folder / "pytest").write_text("#!/bin/sh\necho tested\n", encoding="utf-8")
    fails = 'case "$*" in *requirements-fuzz.lock*) echo no wheel >&2; exit 1 ;; esac'
    python = machine.python("python", pretence=version(3, 12, 4), pip=f"{fails}; exit 0")
    assert machine.make("run", f"PYTHON={python}")[0] == 0
    shutil.copy(machine.folder / "pytest", machine.venv / "bin" / "pytest")
    (machine.venv / "bin" / "pytest").chmod(0o755)
    assert machine.make("test")[0] == 0
    status, _, err = machine.make("fuzz")
    assert status == 2
    assert "no wheel\nThe fuzzer, atheris, can't be installed for Python 3.12.4 on this machine.\n" in err
    assert "Installing" not in machine.make("test")[1]
