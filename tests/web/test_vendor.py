"""The vendored files: those that are pinned, and no others; and how they are downloaded again."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from web.vendor import PINNED, VENDOR

VENDORED = {f"{folder}/{Path(name).name}": digest for folder, files in PINNED.items() for name, digest in files.items()}


@pytest.mark.parametrize("name", VENDORED)
def test_a_vendored_file_has_the_pinned_digest(name: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == VENDORED[name]


def test_nothing_else_is_vendored() -> None:
    found = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()}
    assert found - VENDORED.keys() == {"graphiql-3.8.3/LICENSES-BUNDLED.txt"}


class Checkout:
    """A copy of `web/` in `folder`, and an npm that packs what is in `packed`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vendor = folder / "web" / "static" / "vendor"
        self._programs = folder / "programs"
        self._packed = folder / "packed"
        shutil.copytree(VENDOR.parents[1], folder / "web")
        for name, files in PINNED.items():
            for path in files:
                (self._packed / name / "package" / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(VENDOR / name / Path(path).name, self._packed / name / "package" / path)

    def publish(self, name: str, path: str, ending: bytes) -> None:
        with (self._packed / name / "package" / path).open("ab") as file:
            file.write(ending)

    def add_npm(self) -> None:
        self._programs.mkdir()
        npm = self._programs / "npm"
        lines = [
            "#!/bin/sh",
            "# npm pack PACKAGE@VERSION --silent --pack-destination FOLDER",
            f"PATH={os.environ['PATH']}",
            '[ "$1$3$4" = pack--silent--pack-destination ] || exit 1',
            'name=$(echo "$2" | tr @ -)',
            f'tar czf "$5/$name.tgz" -C "{self._packed}/$name" package',
        ]
        npm.write_text("\n".join([*lines, ""]), encoding="utf-8")
        npm.chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "web.vendor"]
        variables = {"PATH": str(self._programs)}
        return subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True, check=False)

    def files(self) -> dict[str, bytes]:
        paths = (path for path in self.vendor.rglob("*") if path.is_file())
        return {path.relative_to(self.vendor).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_what_is_published_is_stored_without_the_comments_that_name_source_maps(checkout: Checkout) -> None:
    before = checkout.files()
    checkout.add_npm()
    checkout.publish("react-18.3.1", "umd/react.production.min.js", b"//# sourceMappingURL=react.js.map\n")
    checkout.publish("graphiql-3.8.3", "graphiql.min.css", b"/*# sourceMappingURL=graphiql.min.css.map*/")
    shutil.rmtree(checkout.vendor / "react-dom-18.3.1")
    run = checkout.run()
    assert (run.returncode, run.stderr) == (0, "")
    assert checkout.files() == before


def test_what_is_not_what_was_pinned_replaces_nothing(checkout: Checkout) -> None:
    checkout.add_npm()
    checkout.publish("react-dom-18.3.1", "LICENSE", b"more")
    (checkout.vendor / "graphiql-3.8.3" / "LICENSE").unlink()
    before = checkout.files()
    run = checkout.run()
    assert run.returncode == 1
    assert "react-dom-18.3.1.tgz: LICENSE doesn't have the pinned digest: its SHA-256 is " in run.stderr
    assert checkout.files() == before


def test_without_npm_nothing_is_done(checkout: Checkout) -> None:
    before = checkout.files()
    run = checkout.run()
    assert (run.returncode, run.stderr) == (1, "npm is needed to download the vendored files.\n")
    assert checkout.files() == before
