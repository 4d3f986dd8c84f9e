"""Requests that wait for something slow leave slots for others."""

from __future__ import annotations

from collections.abc import Hashable

import pytest

from resolvers.errors import ServiceUnavailable
from resolvers.waiters import Waiters


def test_each_key_has_its_limit() -> None:
    waiters = Waiters()
    with waiters.joined({"one": 1, "all": 2}):
        keys: tuple[dict[Hashable, int], ...] = ({"one": 1, "all": 2}, {"two": 1, "all": 1})
        for full in keys:
            with pytest.raises(ServiceUnavailable) as refused, waiters.joined(full):
                pass
            assert refused.value.retry_after
        with waiters.joined({"two": 1, "all": 2}):
            pass
        # Who was refused is not counted.
        with waiters.joined({"two": 1, "all": 2}):
            pass


def test_whoever_fails_does_not_wait_any_more() -> None:
    waiters = Waiters()
    for _ in range(3):
        with pytest.raises(KeyError), waiters.joined({"one": 1}):
            raise KeyError
