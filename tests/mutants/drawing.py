"""Which mutants a run tries: an equal share of each package, and in it of each kind of fault."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tendon_cli import PACKAGES
from tests.mutants.mutant import Mutant, mutants_of

CORE: Final = tuple(sorted({*PACKAGES} - {"sandbox", "web"}))
"""Without the provider for tests, and without pages."""

_GENERATED: Final = "models/migrations"


def packages(root: Path, asked: Sequence[str] = CORE) -> dict[str, list[str]]:
    """The modules of each package in or below the ones that are asked for. Raises LookupError for an unknown one."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in asked:
        modules = sorted(path.relative_to(root) for path in (root / name).rglob("*.py"))
        if not modules or name.partition("/")[0] not in PACKAGES:
            raise LookupError(name)
        for module in modules:
            if module.parent.as_posix() != _GENERATED and module.as_posix() not in found[module.parent.as_posix()]:
                found[module.parent.as_posix()].append(module.as_posix())
    return {name: modules for name, modules in sorted(found.items()) if modules}


def draw(root: Path, modules: dict[str, list[str]], count: int, seed: int) -> list[Mutant]:
    """At most `count` mutants. What is drawn in a package depends on the seed and on its own code only."""
    names = sorted(modules)
    # Which packages have one more than the others.
    random.Random(seed).shuffle(names)
    shares = {name: count // len(names) + (index < count % len(names)) for index, name in enumerate(names)}
    return [mutant for name in sorted(names) for mutant in _draw_from(root, name, modules[name], shares[name], seed)]


def _draw_from(root: Path, name: str, modules: Sequence[str], count: int, seed: int) -> list[Mutant]:
    chance = random.Random(f"{seed} {name}")
    kinds: dict[str, list[Mutant]] = defaultdict(list)
    for module in modules if count else ():
        for mutant in mutants_of(root, module):
            kinds[mutant.kind].append(mutant)
    for each in kinds.values():
        chance.shuffle(each)
    drawn = _in_turn(chance, kinds)
    return [mutant for _, mutant in zip(range(count), drawn, strict=False)]


def _in_turn(chance: random.Random, kinds: dict[str, list[Mutant]]) -> Iterator[Mutant]:
    """One of a random kind after the other: by number, rare kinds would hardly ever be drawn."""
    while kinds:
        kind = chance.choice(sorted(kinds))
        mutant = kinds[kind].pop()
        if not kinds[kind]:
            del kinds[kind]
        if mutant.compiles():
            yield mutant
