"""The list of vendors that can't be connected: how it is read, and that it fits the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.catalogue import CatalogueError, read_catalogue
from providers.unsupported import read_unsupported

ACME = '[acme]\nname = "Acme"\nreason = "It has no API."\n'
SOURCE = '[[acme.sources]]\nfacts = "a"\nurl = "https://acme.example"\nseen = 2026-11-30\nsure = "documented"\n'


def read(folder: Path, text: str) -> object:
    file = folder / "list.toml"
    file.write_text(text, encoding="utf-8")
    return read_unsupported(file)


def test_the_list_is_sorted_by_slug(tmp_path: Path) -> None:
    file = tmp_path / "list.toml"
    file.write_text(ACME.replace("acme", "b") + 'instead = "Use C."\n' + ACME.replace("acme", "a"), encoding="utf-8")
    found = read_unsupported(file)
    assert [(slug, each.name, each.reason, each.instead) for slug, each in found.items()] == [
        ("a", "Acme", "It has no API.", None),
        ("b", "Acme", "It has no API.", "Use C."),
    ]


def test_sources_are_those_of_entries(tmp_path: Path) -> None:
    file = tmp_path / "list.toml"
    file.write_text(ACME + SOURCE, encoding="utf-8")
    (source,) = read_unsupported(file)["acme"].sources
    assert (source.facts, source.seen.isoformat()) == ("a", "2026-11-30")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[acme", "is not TOML: "),
        ('acme = "no API"', "acme: must be a table"),
        (ACME.replace("acme", '"Ac me"'), "Ac me: must be 1 to 63 lower-case letters"),
        ('[acme]\nname = "Acme"', "acme.reason: is missing"),
        (ACME.replace("It has no API.", ""), "acme.reason: must not be empty"),
        (f'{ACME}why = "x"', "acme.why: is not a key of this file: the keys here are name, reason, instead, sources"),
        (ACME + SOURCE + "a = 1", "acme.sources.0.a: is not a key of this file: the keys here are facts, url, seen"),
        (ACME + SOURCE.replace("https", "http"), "acme.sources.0.url: must be https"),
        (ACME + SOURCE.replace("https://acme.example", "{host}/x"), "acme.sources.0.url: uses {host}"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(CatalogueError) as fault:
        read(tmp_path, text)
    assert f"list.toml: {problem}" in str(fault.value)


def test_nothing_is_both_in_the_list_and_in_the_catalogue() -> None:
    catalogue, listed = read_catalogue(variables={}), read_unsupported()
    assert sorted({*catalogue} & {*listed}) == []
    assert sorted({entry.name for entry in catalogue.values()} & {each.name for each in listed.values()}) == []


@pytest.mark.parametrize("slug", read_unsupported())
def test_reasons_are_sentences(slug: str) -> None:
    vendor = read_unsupported()[slug]
    for sentence in (vendor.reason, vendor.instead or "Nothing."):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert sentence.count(". ") == 0
        assert "\n" not in sentence
    # They are shown in a terminal.
    assert len(vendor.reason) <= 150
