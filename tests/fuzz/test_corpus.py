"""The kept inputs show no fault. They cost milliseconds, without the fuzzer that found them."""

from __future__ import annotations

import pytest

from tests.fuzz import corpus
from tests.fuzz.targets import NAMES, load


@pytest.mark.parametrize("target", NAMES)
def test_the_corpus_shows_no_fault(target: str) -> None:
    inputs = corpus.read(target)
    assert inputs
    check = load(target).check
    for data in inputs:
        check(data)


def test_the_corpus_is_small() -> None:
    assert {path.stem for path in corpus.FOLDER.iterdir()} == {*NAMES}
    assert all(path.stat().st_size <= corpus.MOST for path in corpus.FOLDER.iterdir())
