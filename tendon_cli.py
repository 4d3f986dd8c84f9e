"""The command `tendon`. It checks that Tendon's packages are Tendon's own before it imports any of them.

Their names are common: a `models` in a directory of PYTHONPATH, in the current directory or in another distribution
would be imported in place of ours, or overwrite it, and cause obscure errors. This module has a unique name and imports
none of the packages before the check, so that it can report what is wrong.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Final

PACKAGES: Final = ("gateway", "models", "providers", "resolvers", "rest", "sandbox", "schema", "web", "wire", "worker")
_UNUSABLE: Final = 2


def main() -> None:
    """Run the command. Exits with status 2 when one of the packages is not Tendon's own."""
    faults = list(_faults(Path(__file__).parent))
    if faults:
        print("\n".join(["tendon can't start:", *faults]), file=sys.stderr)  # noqa: T201 - for the terminal
        sys.exit(_UNUSABLE)
    from gateway.cli import main as run  # noqa: PLC0415 - after the check

    run()


def _faults(root: Path) -> Iterator[str]:
    """A line for each package that is not the one installed in `root`, next to this module."""
    installed = _installed_sizes(root)
    for package in PACKAGES:
        own, spec = root / package, find_spec(package)
        if spec is None or spec.origin is None:
            yield f"{package}: is missing from {root}: install Tendon again"
        elif not _same(Path(spec.origin).parent, own):
            yield f"{package}: {_shadowed(spec, root)}"
        elif package in installed and (own / "__init__.py").stat().st_size != installed[package]:
            yield f"{package}: {_overwritten(package, root)}"


def _installed_sizes(root: Path) -> dict[str, int]:
    """The size of each package's `__init__.py` in the wheel. Empty in a checkout, whose files change."""
    for record in root.glob("tendon-*.dist-info/RECORD"):
        rows = (line.rsplit(",", 2) for line in record.read_text(encoding="utf-8").splitlines())
        sizes = {path: size for path, _, size in rows}
        return {package: int(sizes.get(f"{package}/__init__.py") or -1) for package in PACKAGES}
    return {}


def _same(one: Path, other: Path) -> bool:
    return one == other or (one.exists() and other.exists() and one.samefile(other))


def _shadowed(spec: ModuleSpec, root: Path) -> str:
    """The directory that comes first on the path, and the remedy."""
    locations = spec.submodule_search_locations
    directory = Path(locations[0] if locations else str(spec.origin)).parent
    python_path = os.environ.get("PYTHONPATH")
    entries = [Path(entry).absolute() for entry in python_path.split(os.pathsep)] if python_path else []
    if directory in entries:
        remedy = "take that directory out of PYTHONPATH"
    elif directory == Path.cwd():
        remedy = "start tendon in another directory"
    else:
        remedy = "install Tendon in an environment of its own"
    return f"the one in {directory} comes before Tendon's in {root}: {remedy}"


def _overwritten(package: str, root: Path) -> str:
    from importlib.metadata import packages_distributions  # noqa: PLC0415 - slow, and seldom needed

    others = [name for name in packages_distributions().get(package, []) if name != "tendon"]
    other = f"the distribution {others[0]}" if others else "something"
    return f"{other} was installed over Tendon's in {root}: install Tendon in an environment of its own"


if __name__ == "__main__":
    main()
