"""Content negotiation (RFC 9110 12.5.1): what the caller likes best, and never a fault, whatever the header holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.negotiation import GRAPHQL, HTML, JSON, preferred

OFFERS = (JSON, GRAPHQL, HTML)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/*", HTML),
        (HTML, HTML),
        (GRAPHQL, GRAPHQL),
        ("TEXT/HTML", HTML),
        (" text/html ; Q=0.5 ", HTML),
        ("text/html; charset=utf-8", HTML),
        ("image/png, text/html", HTML),
        # Of equals the first that is offered.
        (f"{HTML}, {GRAPHQL}, {JSON}", JSON),
        (f"{HTML}, {GRAPHQL}", GRAPHQL),
        # Quality decides before order.
        (f"{JSON};q=0.5, {GRAPHQL};q=0.7, {HTML};q=0.6", GRAPHQL),
        (f"{JSON};q=0.1, {GRAPHQL};q=0.1, {HTML};q=0.101", HTML),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML),
        # The most specific range decides, wherever it stands.
        (f"*/*;q=0.9, application/*;q=0.5, {GRAPHQL};q=0.7", HTML),
        (f"*/*;q=0.1, application/*;q=0.5, {JSON};q=0.2", GRAPHQL),
        (f"{JSON};q=0, */*", GRAPHQL),
        ("*/*, application/*;q=0", HTML),
        # Said twice, the better one counts.
        (f"{HTML};q=0.1, {JSON};q=0.5, {HTML};q=0.9", HTML),
        # Nothing that we have.
        ("image/png", None),
        ("*/*;q=0", None),
        ("text/plain, image/*", None),
        (f"{JSON};q=0, {GRAPHQL};q=0.0, {HTML};q=0.000", None),
        # Not a quality: as if it were 0. Beyond the ends: the end.
        (f"{JSON};q=x", None),
        (f"{JSON};q=", None),
        (f"{JSON};q=nan, {HTML};q=0.1", HTML),
        (f"{JSON};q=nan", None),
        (f"{JSON};q=-inf, {HTML};q=0.1", HTML),
        (f"{JSON};q=0.9, {HTML};q=7", HTML),
        (f"{JSON};q=1, {HTML};q=inf", JSON),
        # Not a range.
        ("text", None),
        ("*", None),
        ("*/html", None),
        ("text/html/x", None),
        # A list of empty elements is an empty one (RFC 9110 5.6.1.2).
        (",", JSON),
        (" ,,\t,", JSON),
        (";q=1", None),
        (", ,text/html,,", HTML),
    ],
)
def test_preferred(accept: str | None, chosen: str | None) -> None:
    assert preferred(accept, *OFFERS) == chosen


def test_the_order_of_the_offers_breaks_ties() -> None:
    assert preferred("*/*", HTML, JSON) == HTML
    assert preferred(None, HTML, JSON) == HTML


RANGES = st.sampled_from([*OFFERS, "*/*", "application/*", "text/*", "image/*", "image/png", "text", ""])
QUALITIES = st.sampled_from(["", ";q=1", ";q=0", ";q=0.5", ";q=0.123", ";q=1.0", ";q=nan", ";q=x", ";v=1;q=0.3", ";"])
HEADERS = st.lists(st.tuples(RANGES, QUALITIES).map("".join), min_size=1, max_size=6).map(", ".join)
PIECES = [*OFFERS, "*", "/", ";", "q", "=", ",", " ", "0", ".", "9", "e", "nan", '"', "\t", "é"]
SCRAPS = st.lists(st.sampled_from(PIECES)).map("".join)


@given(HEADERS | SCRAPS | st.text())
def test_any_header(accept: str) -> None:
    assert preferred(accept, *OFFERS) in (*OFFERS, None)


@given(HEADERS, st.sampled_from(OFFERS))
def test_a_wish_above_all_others_is_granted(accept: str, wish: str) -> None:
    others = [part for part in accept.split(", ") if not part.endswith(("q=1", "q=1.0")) and "q=" in part]
    assert preferred(", ".join([*others, wish]), *OFFERS) == wish


@given(HEADERS, st.sampled_from(OFFERS))
def test_what_is_ruled_out_is_never_chosen(accept: str, unwanted: str) -> None:
    others = [part for part in accept.split(", ") if not part.startswith(unwanted)]
    assert preferred(", ".join([*others, f"{unwanted};q=0"]), *OFFERS) != unwanted


@given(HEADERS)
def test_the_order_of_the_ranges_means_nothing(accept: str) -> None:
    assert preferred(", ".join(reversed(accept.split(", "))), *OFFERS) == preferred(accept, *OFFERS)


def test_the_longest_header_that_is_read() -> None:
    longest = f"{HTML},".ljust(1024 - len(GRAPHQL), ",") + GRAPHQL
    assert len(longest) == 1024
    assert preferred(longest, *OFFERS) == GRAPHQL
    assert preferred(f"{longest},", *OFFERS) is None
