"""Which paths a template matches, and what its parameters are."""

from __future__ import annotations

import pytest

from rest.paths import PathTemplate


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("/a/b", "/a/b", {}),
        ("/a/b", "/a/%62", {}),
        ("/a/b", "/a/c", None),
        ("/a/b", "/a/b/", None),
        ("/a/b", "/a", None),
        ("/a/{b}", "/a/x", {"b": "x"}),
        ("/a/{b}", "/a/", None),
        ("/a/{b}", "/a", None),
        ("/a/{b}", "/a/x/y", None),
        ("/a/{b}", "/c/x", None),
        ("/a/{b}", "/a/x%2Fy", {"b": "x/y"}),
        ("/a/{b}", "/a/%252F", {"b": "%2F"}),
        ("/a/{b}", "/a/{b}", {"b": "{b}"}),
        ("/a/{b}", "/a/%C3%A9", {"b": "é"}),
        ("/a/{b}", "/a/%FF", {"b": "\ufffd"}),
        ("/{one}/x/{two}", "/1/x/2", {"one": "1", "two": "2"}),
        ("/{one}/x/{two}", "/1/y/2", None),
    ],
)
def test_a_path(template: str, path: str, parameters: dict[str, str] | None) -> None:
    assert PathTemplate(template).match({"raw_path": path.encode()}) == parameters


def test_bytes_that_are_not_ascii_match_no_name() -> None:
    assert PathTemplate("/a/b").match({"raw_path": b"/a/\xff"}) is None
    assert PathTemplate("/a/{b}").match({"raw_path": b"/a/\xff"}) == {"b": "\ufffd"}
