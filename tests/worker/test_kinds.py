"""The kinds of work that a worker runs."""

from __future__ import annotations

from worker.kinds import KINDS


def test_kinds_have_names_of_their_own() -> None:
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names)
    # They are part of ids of the form `kind:id:key:period`.
    assert not [name for name in names if ":" in name]
