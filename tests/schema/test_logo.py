"""The marks of providers: what they show, and that it can be read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from colorsys import hls_to_rgb
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from providers.catalogue import read_catalogue
from schema.logo import logo

PREFIX = "data:image/svg+xml,"


def drawn(slug: str, name: str) -> tuple[str, str]:
    """The text and the colour of the square."""
    uri = logo(slug, name)
    assert uri.startswith(PREFIX)
    assert uri.isascii()
    assert not {*uri} & {*" \"'<>#`\\"}, "can't be written into HTML as it is"
    image = ET.fromstring(unquote(uri.removeprefix(PREFIX)))
    square, text = image
    assert [part.tag.partition("}")[2] for part in (image, square, text)] == ["svg", "rect", "text"]
    assert text.get("fill") == "#fff"
    return text.text or "", square.get("fill") or ""


@pytest.mark.parametrize(
    ("name", "initials"),
    [
        ("Oura", "O"),
        ("Google Health", "GH"),
        ("Medicare Blue Button 2.0", "MB"),
        ("intervals.icu", "II"),
        ("some_thing", "ST"),
        ("1upHealth", "1"),
        ("  (Acme) ", "A"),
        ("étude ßeta", "ÉSS"),
        ("健康 手帳", "健手"),
        ("<script> & co", "SC"),
        ("…", "X"),
    ],
)
def test_the_initials(name: str, initials: str) -> None:
    assert drawn("x_1", name)[0] == (initials if name != "…" else "X1")


def luminance(colour: str) -> float:
    """WCAG 2.2: the relative luminance."""
    hue, saturation, lightness = map(int, re.findall(r"\d+", colour))
    parts: Sequence[float] = hls_to_rgb(hue / 360, lightness / 100, saturation / 100)
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_white_text_can_be_read_on_every_colour() -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5."""
    colours = {drawn(f"p{number}", "P")[1] for number in range(4000)}
    assert len(colours) == 360, "all hues"
    assert min(1.05 / (luminance(colour) + 0.05) for colour in colours) >= 4.5


def test_a_logo_is_the_same_everywhere() -> None:
    """In each process, version of Python and installation: front ends may keep it."""
    assert logo("oura", "Oura") == (
        "data:image/svg+xml,%3Csvg%20xmlns=%22http://www.w3.org/2000/svg%22%20width=%2264%22%20height=%2264%22%3E"
        "%3Crect%20width=%2264%22%20height=%2264%22%20rx=%2214%22%20fill=%22hsl%2861,60%25,28%25%29%22/%3E"
        "%3Ctext%20x=%2232%22%20y=%2242%22%20fill=%22%23fff%22%20font-family=%22sans-serif%22%20font-size=%2228%22"
        "%20text-anchor=%22middle%22%3EO%3C/text%3E%3C/svg%3E"
    )


def test_no_two_providers_look_alike() -> None:
    marks = [drawn(entry.slug, entry.name) for entry in read_catalogue(variables={}).values()]
    assert len({*marks}) == len(marks)
