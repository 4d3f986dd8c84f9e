"""Looks for inputs that show a fault, guided by the coverage of the code: `python -m tests.fuzz --seconds 60`.

What was found to reach new code is kept in .fuzz/, and so is an input that shows a fault, with which it exits with 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.fuzz import corpus
from tests.fuzz.targets import NAMES, load

ROOT: Final = Path(__file__).parents[2]
FINDINGS: Final = Path(".fuzz")
# An input of which a check takes longer shows a fault, too.
_SLOWEST: Final = 20


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="of all targets together")
    parser.add_argument("--target", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--replay", type=Path, help="check this input of the target, and look for no others")
    parser.add_argument("--keep", action="store_true", help="add what reached new code to the corpus")
    return parser.parse_args()


def _run(target: str, *options: str | Path) -> bool:
    """Whether no fault was found."""
    packages = ",".join(load(target).INSTRUMENTED)
    command = [sys.executable, "-m", "tests.fuzz.fuzzer", target, packages, *options]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def _fuzz(target: str, seconds: int) -> bool:
    """Whether no fault was found."""
    folder = FINDINGS / target
    corpus.unpack(corpus.read(target), folder / "corpus")
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in load(target).WORDS), encoding="ascii")
    limits = [f"-max_total_time={seconds}", f"-timeout={_SLOWEST}", "-max_len=4096", "-print_final_stats=1"]
    good = _run(target, folder / "corpus", f"-dict={words}", f"-artifact_prefix={folder}/", *limits)
    if not good:
        for path in sorted(path for path in folder.iterdir() if path.is_file() and path != words):
            _say(f"A fault, to see it again: make fuzz TARGET={target} REPLAY={path}")
    return good


def _escaped(word: bytes) -> str:
    """As libFuzzer's dictionaries want it."""
    return "".join(f"\\x{byte:02x}" for byte in word)


def _keep(target: str) -> bool:
    """Whether it worked. What is kept stays: much of it does not reach other code, but takes another way through a
    pattern."""
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(scratch)
        corpus.unpack(corpus.read(target), kept)
        if not _run(target, "-merge=1", "-max_len=4096", kept, FINDINGS / target / "corpus"):
            return False
        corpus.write(target, [path.read_bytes() for path in kept.iterdir()])
        return True


def main() -> int:
    arguments = _arguments()
    if arguments.replay:
        load(arguments.target[0]).check(arguments.replay.read_bytes())
        _say("It shows no fault.")
        return 0
    seconds = max(1, arguments.seconds // len(arguments.target))
    results = [_keep(target) if arguments.keep else _fuzz(target, seconds) for target in arguments.target]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
