"""Downloads GraphiQL and React, as published, into `web/static/vendor/`: `python -m web.vendor` (needs npm).

The files are committed, so that nothing is downloaded when the gateway is installed or run. Each must have the digest
that is pinned here. GraphiQL's bundle includes about eighty other packages and two fonts. Their licences are in
`LICENSES-BUNDLED.txt` next to it, which is edited by hand and must be reviewed when GraphiQL changes. Pages refer to
the folders with their versions.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).parent / "static" / "vendor"

# package-version -> {path in the package: SHA-256 of the stored file}
PINNED: dict[str, dict[str, str]] = {
    "graphiql-3.8.3": {
        "graphiql.min.js": "47d696155a87281978a11e1c5ead4b82943836ddd013cbd216975109055a826d",
        "graphiql.min.css": "c41c291baa1c9c5b73e0345e78521aa24bfdf7b41ab840c99e2891ad720de9e4",
        "LICENSE": "4b18fbe55c4e8f9169cb702be138f4d858a2dad920c39857204ffdc9c1c9fdc4",
    },
    "react-18.3.1": {
        "umd/react.production.min.js": "d949f1c3687aedadcedac85261865f29b17cd273997e7f6b2bfc53b2f9d4c4dd",
        "LICENSE": "52412d7bc7ce4157ea628bbaacb8829e0a9cb3c58f57f99176126bc8cf2bfc85",
    },
    "react-dom-18.3.1": {
        "umd/react-dom.production.min.js": "35f4f974f4b2bcd44da73963347f8952e341f83909e4498227d4e26b98f66f0d",
        "LICENSE": "52412d7bc7ce4157ea628bbaacb8829e0a9cb3c58f57f99176126bc8cf2bfc85",
    },
}

# Source maps are not stored; without this comment, developer tools don't request them.
_SOURCE_MAP = re.compile(rb"\n(?://# sourceMappingURL=\S+|/\*# sourceMappingURL=\S+\*/)\s*\Z")


def main() -> None:
    """Download and check all packages first, and only then replace the files."""
    with tempfile.TemporaryDirectory() as scratch:
        found = {folder: _fetch(folder, Path(scratch)) for folder in PINNED}
    for folder, files in found.items():
        (VENDOR / folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (VENDOR / folder / name).write_bytes(content)


def _fetch(folder: str, scratch: Path) -> dict[str, bytes]:
    package, _, version = folder.rpartition("-")
    npm = shutil.which("npm") or sys.exit("npm is needed to download the vendored files.")
    command = [npm, "pack", f"{package}@{version}", "--silent", "--pack-destination", str(scratch)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 -- every part is pinned above
    with tarfile.open(scratch / f"{folder}.tgz") as archive:
        return {Path(path).name: _kept(archive, path, digest) for path, digest in PINNED[folder].items()}


def _kept(archive: tarfile.TarFile, path: str, digest: str) -> bytes:
    member = archive.extractfile(f"package/{path}")
    content = _SOURCE_MAP.sub(b"\n", member.read()) if member else b""
    if _digest(content) != digest:
        sys.exit(f"{archive.name}: {path} doesn't have the pinned digest: its SHA-256 is {_digest(content)}")
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
