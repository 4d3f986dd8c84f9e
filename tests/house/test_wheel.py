"""Tendon as production installs it: the wheel, with the packages that requirements.lock pins and no others.

The packages of the lock are links to those of the environment that runs the tests, so that nothing is downloaded.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Callable, Generator
from contextlib import suppress
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tendon_cli import PACKAGES
from tests.house.once import once
from tests.house.test_house import ROOT
from tests.house.test_locks import RUNTIME, pins
from tests.processes import TENDON, environment, free_port

VERSION = "tendon 0.1.0\n"


def run(*command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=environment(**variables), capture_output=True, text=True, timeout=120, check=False
    )


def pip(environment_folder: Path, command: str, *arguments: str | Path) -> None:
    program = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "--python", environment_folder)
    _changed(run(*program, command, *arguments, cwd=environment_folder, PIP_YES="1"))


def uv(environment_folder: Path, command: str, *arguments: str | Path) -> None:
    """Takes a tenth of pip's time."""
    program = (Path(sys.executable).with_name("uv"), "pip", command, "-q", "--no-cache", "--python", environment_folder)
    _changed(run(*program, *arguments, cwd=environment_folder))


def _changed(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr


class Installation:
    """An environment in `folder`, with the packages of the lock, and Tendon once it is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "venv"
        self.python = self.folder / "bin" / "python"
        self.tendon = self.folder / "bin" / "tendon"
        if not self.folder.exists():
            _changed(run(sys.executable, "-m", "venv", "--without-pip", self.folder, cwd=folder))
        (self.packages,) = self.folder.glob("lib/python*/site-packages")

    def link_packages(self) -> None:
        for name, pin in pins(RUNTIME).items():
            if "sys_platform == 'win32'" not in pin:
                self._link(name)

    def install(self, wheel: Path, program: Callable[..., None]) -> None:
        program(self.folder, "install", "--no-index", "--no-deps", wheel)

    def _link(self, name: str) -> None:
        found = distribution(name)
        for top in {Path(str(file)).parts[0] for file in found.files or []} - {"..", "__pycache__"}:
            link = self.packages / top
            if not link.exists():
                link.symlink_to(Path(str(found.locate_file(top))))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def build(folder: Path) -> None:
        _changed(run(TENDON.with_name("hatchling"), "build", "-t", "wheel", "-d", folder, cwd=ROOT))

    (made,) = once(tmp_path_factory, "wheel", build).glob("tendon-*.whl")
    return made


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Installation:
    """One that no test may change."""

    def install(folder: Path) -> None:
        made = Installation(folder)
        made.link_packages()
        made.install(wheel, uv)

    return Installation(once(tmp_path_factory, "installation", install))


def test_every_list_of_packages_is_the_same() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert tools["hatch"]["build"]["targets"]["wheel"]["packages"] == [*PACKAGES, "tendon_cli.py"]
    assert tools["pyright"]["include"] == [*PACKAGES, "tendon_cli.py", "tests", "benchmarks", "scripts"]
    assert tools["importlinter"]["root_packages"] == [*PACKAGES]


def test_every_module_finds_all_that_it_needs(installation: Installation, tmp_path: Path) -> None:
    program = f"""
import importlib, pathlib
for package in {PACKAGES!r}:
    root = pathlib.Path({str(installation.packages)!r})
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        importlib.import_module(".".join(parts).removesuffix(".__init__"))
"""
    imported = run(installation.python, "-W", "error::ImportWarning", "-c", program, cwd=tmp_path)
    assert imported.returncode == 0, imported.stderr


def await_listening(process: subprocess.Popen[bytes], port: int) -> None:
    while process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)


@pytest.fixture
def serving(installation: Installation, tmp_path: Path) -> Generator[str]:
    """The origin of the installation, serving as on a laptop, so that there is a provider to connect to."""
    migrated = run(installation.tendon, "migrate", cwd=tmp_path, TENDON_AUTH="dev")
    assert migrated.returncode == 0, migrated.stderr
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [installation.tendon, "serve", "--port", str(port)],
            cwd=tmp_path,
            env=environment(TENDON_AUTH="dev"),
            stdout=log,
            stderr=log,
        )
    try:
        await_listening(process, port)
        ready = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=30)
        assert ready.status_code == 200, (tmp_path / "log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        assert process.wait(timeout=40) == 0


def test_it_connects(serving: str) -> None:
    headers = {"Authorization": "Bearer dev:alice"}
    redirect = {"provider": "sandbox", "redirectUri": f"{serving}/connect"}
    with httpx.Client(base_url=serving, headers=headers, trust_env=False, timeout=30) as client:
        begun = client.post("/v1/connections/authorize", json=redirect).json()
        back = httpx.get(begun["url"] + "&decision=approve", trust_env=False).headers["location"]
        callback = redirect | dict(parse_qsl(urlsplit(back).query))
        connected = client.post("/v1/connections/callback", json=callback)
        assert (connected.status_code, connected.json()["connection"]["status"]) == (201, "connected")
        document = (
            "mutation($input: CompleteConnectionInput!) { completeConnection(input: $input) { connection { id } } }"
        )
        again = client.post("/graphql", json={"query": document, "variables": {"input": callback}}).json()
        assert again["data"]["completeConnection"]["connection"]["id"] == connected.json()["connection"]["id"]
        for path in ("/connect", "/web/tendon.css", "/web/vendor/graphiql-3.8.3/graphiql.min.js", "/openapi.json"):
            assert client.get(path).status_code == 200


def foreign(folder: Path, name: str) -> Path:
    """A package of that name that is not ours."""
    folder.mkdir(exist_ok=True)
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("raise RuntimeError('imported')\n", encoding="utf-8")
    return folder


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """What it prints after the first line."""
    assert (done.returncode, done.stdout) == (2, "")
    first, line = done.stderr.splitlines()
    assert first == "tendon can't start:"
    return line


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_of_that_name_in_pythonpath(installation: Installation, tmp_path: Path, name: str) -> None:
    ahead = foreign(tmp_path / "ahead", name)
    done = run(installation.tendon, "--version", cwd=tmp_path, PYTHONPATH=f"{tmp_path}:{ahead}")
    ours = f"comes before Tendon's in {installation.packages}"
    assert refused(done) == f"{name}: the one in {ahead} {ours}: take that directory out of PYTHONPATH"


def test_a_module_of_that_name(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text("", encoding="utf-8")
    done = run(installation.tendon, "serve", cwd=tmp_path, PYTHONPATH=str(tmp_path), TENDON_AUTH="dev")
    assert f"models: the one in {tmp_path} comes before Tendon's" in refused(done)


def test_each_package_has_its_line(installation: Installation, tmp_path: Path) -> None:
    foreign(tmp_path, "models")
    foreign(tmp_path, "schema")
    done = run(installation.tendon, "--version", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert [line.partition(":")[0] for line in done.stderr.splitlines()[1:]] == ["models", "schema"]


def test_a_package_in_the_current_directory(installation: Installation, tmp_path: Path) -> None:
    """The command doesn't look there. `python -m` does."""
    foreign(tmp_path, "models")
    assert run(installation.tendon, "--version", cwd=tmp_path).stdout == VERSION
    done = run(installation.python, "-m", "tendon_cli", "--version", cwd=tmp_path)
    assert refused(done).endswith(": start tendon in another directory")
    assert f"models: the one in {tmp_path} " in done.stderr


def test_what_is_no_package_is_in_nobodys_way(installation: Installation, tmp_path: Path) -> None:
    """A folder without `__init__.py` yields to a package later on the path, so it does no harm."""
    (tmp_path / "models").mkdir()
    assert run(installation.tendon, "--version", cwd=tmp_path, PYTHONPATH=str(tmp_path)).stdout == VERSION


def test_our_own_directory_by_another_path(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(installation.packages)
    assert run(installation.tendon, "--version", cwd=tmp_path, PYTHONPATH=str(tmp_path / "link")).stdout == VERSION


@pytest.mark.parametrize(("content", "program"), [("", pip), ("raise RuntimeError('imported')\n", uv)])
def test_another_distribution_over_ours(
    wheel: Path, tmp_path: Path, content: str, program: Callable[..., None]
) -> None:
    """pip and uv allow it, and remove the file when that distribution is uninstalled."""
    installation = Installation(tmp_path)
    installation.link_packages()
    installation.install(wheel, uv)
    other = tmp_path / "acme_models-1.0-py3-none-any.whl"
    about = "acme_models-1.0.dist-info"
    files = {
        "models/__init__.py": content,
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: acme-models\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(other, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{about}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{about}/RECORD"]))
    installation.install(other, program)
    over = f"the distribution acme-models was installed over Tendon's in {installation.packages}"
    done = run(installation.tendon, "--version", cwd=tmp_path)
    assert refused(done) == f"models: {over}: install Tendon in an environment of its own"
    program(installation.folder, "uninstall", "acme-models")
    done = run(installation.tendon, "--version", cwd=tmp_path)
    assert re.fullmatch(r"models: is missing from \S+: install Tendon again", refused(done))


def test_a_checkout_is_guarded_too(tmp_path: Path) -> None:
    ahead = foreign(tmp_path / "ahead", "gateway")
    done = run(TENDON, "--version", cwd=tmp_path, PYTHONPATH=str(ahead))
    assert refused(done).startswith(f"gateway: the one in {ahead} comes before Tendon's in {ROOT}")
