from __future__ import annotations

import tomllib
from typing import Any

import pytest

from providers.catalogue import BUILT_IN
from providers.entry.layout import Path
from providers.entry.lines import lines_of

TEXT = '''
a = 1 # a = 2

b = """
c = 3
[d]
"""
"e.f" = { g = 4, "h" = [
  5,
] }
i.j = 6
[k]
l = 7
[m.n]
o = 8
[[p]]
q = 9
[[p]]
[[p.r]]
s = 10
[p.t]
u = 11
'''


def test_the_lines_of_keys_and_tables() -> None:
    assert lines_of(TEXT) == {
        ("a",): 2,
        ("b",): 4,
        ("e.f",): 8,
        ("e.f", "g"): 8,
        ("e.f", "h"): 8,
        ("e.f", "h", 0): 8,
        ("i",): 11,
        ("i", "j"): 11,
        ("k",): 12,
        ("k", "l"): 13,
        ("m",): 14,
        ("m", "n"): 14,
        ("m", "n", "o"): 15,
        ("p",): 16,
        ("p", 0): 16,
        ("p", 0, "q"): 17,
        ("p", 1): 18,
        ("p", 1, "r"): 19,
        ("p", 1, "r", 0): 19,
        ("p", 1, "r", 0, "s"): 20,
        ("p", 1, "t"): 21,
        ("p", 1, "t", "u"): 22,
    }


def paths(value: Any, path: Path = ()) -> set[Path]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inner = {found for key, part in parts for found in paths(part, (*path, key))}
    return inner | {path} if path else inner


@pytest.mark.parametrize("file", sorted(BUILT_IN.glob("*.toml")), ids=lambda file: file.stem)
def test_every_key_of_a_built_in_entry_has_a_line(file: Any) -> None:
    text = file.read_text("utf-8")
    assert set(lines_of(text)) == paths(tomllib.loads(text))
