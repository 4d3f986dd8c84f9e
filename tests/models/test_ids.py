"""The ids of new rows."""

from __future__ import annotations

from time import time_ns
from uuid import UUID

from models.ids import new_id


def test_an_id_is_a_uuid_of_version_7_with_the_time() -> None:
    before = time_ns() // 10**6
    one = UUID(new_id())
    assert (one.version, one.variant) == (7, "specified in RFC 4122")
    assert before <= one.int >> 80 < before + 60_000


def test_ids_are_in_their_usual_form_and_in_the_order_of_time() -> None:
    made = [new_id() for _ in range(1000)]
    assert made == sorted(set(made))
    assert made == [str(UUID(one)) for one in made]


def test_all_else_of_an_id_is_random() -> None:
    made = [UUID(new_id()).int for _ in range(200)]
    alike, common = (1 << 128) - 1, 0
    for one in made:
        alike &= one
        common |= one
    # 48 bits of time, four of the version, two of the variant: each other bit is 0 in some, and 1 in others.
    random = (1 << 76) - 1 & ~(0b11 << 62)
    assert alike & random == 0
    assert common & random == random
