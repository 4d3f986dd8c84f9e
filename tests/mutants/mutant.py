"""A mutant: a module with one small fault, such as a comparison that is reversed or a statement that is left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.mutants.operators import OPERATORS
from tests.mutants.source import Source
from tests.mutants.sql import sql


class Key(NamedTuple):
    """What identifies a mutant while the code around it moves. `original` and `replaced` are the lines that the fault
    touches, before and after."""

    module: str
    function: str
    original: str
    replaced: str


@dataclass(frozen=True)
class Mutant:
    """`content` is the whole module with the fault, `line` where it is."""

    key: Key
    line: int
    kind: str
    content: bytes = field(repr=False)

    @property
    def package(self) -> str:
        return self.key.module.rpartition("/")[0]

    def __str__(self) -> str:
        where = f"{self.key.module}:{self.line}" + (f" {self.key.function}" if self.key.function else "")
        return f"{where} ({self.kind})\n    - {self.key.original}\n    + {self.key.replaced}"

    def compiles(self) -> bool:
        try:
            compile(self.content, self.key.module, "exec")
        except SyntaxError:
            return False
        return True


def mutants_of(root: Path, module: str) -> Iterator[Mutant]:
    """All mutants of a module, in the order of the code. Some may not compile."""
    source = Source(module, (root / module).read_text(encoding="utf-8"))
    operators = (*OPERATORS, sql) if module.startswith("models/") else OPERATORS
    seen = {source.data}
    for place in source.places():
        for operator in operators:
            for edit in operator(source, place):
                content = source.edited(edit)
                if content not in seen:
                    seen.add(content)
                    key = Key(module, place.function, *source.lines(edit))
                    yield Mutant(key, source.line(edit.start), edit.kind, content)
