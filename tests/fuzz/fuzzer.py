"""Runs atheris on one target, in a process of its own: `python -m tests.fuzz.fuzzer TARGET PACKAGES`, followed by
libFuzzer's options.

atheris changes modules when they are imported, and libFuzzer ends the process.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from tests.fuzz.targets import load


def main() -> None:
    target, packages, *options = sys.argv[1:]
    # By name, because it is not installed for type checks, either.
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=packages.split(",")):
        check = load(target).check
    atheris.Setup([target, *options], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
