from __future__ import annotations

import pytest

from benchmarks.report import python_build


@pytest.mark.parametrize(
    ("configured", "flags", "build"),
    [
        ("'--enable-shared'", "-Wall -g -fwrapv -O3 -Wall", "no PGO, no LTO, -O3"),
        ("'--enable-optimizations' '--with-lto'", "-O3", "PGO, LTO, -O3"),
        ("'--enable-optimizations' '--with-lto=no'", "-O2 -O3", "PGO, no LTO, -O3"),
        ("'--with-lto=thin'", "-g", "no PGO, LTO"),
        ("", "-O3 -fprofile-use -flto=auto", "PGO, LTO, -O3"),
    ],
)
def test_the_build_of_the_interpreter_is_shown(configured: str, flags: str, build: str) -> None:
    assert python_build(configured, flags) == build
