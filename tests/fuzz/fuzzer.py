"""Runs atheris on one target, in a process of its own: `python -m tests.fuzz.fuzzer TARGET PACKAGES`, followed by
libFuzzer's options.

atheris changes modules when they are imported, and libFuzzer ends the process.
"""

from __future__ import annotations

import shlex
import sys
from importlib import import_module
from typing import Any

from tests.fuzz.targets import load


def main() -> None:
    target, packages, *options = sys.argv[1:]
    # By name, because it is not installed for type checks, either.
    atheris: Any = import_module("atheris")
    # Comparisons of strings guide the search, too.
    atheris.enabled_hooks.add("str")
    with atheris.instrument_imports(include=packages.split(",")):
        check = load(target).check
    # To merge a corpus, libFuzzer starts itself again, by a shell.
    itself = shlex.join([sys.executable, "-m", "tests.fuzz.fuzzer", target, packages])
    atheris.Setup([itself, *options], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
