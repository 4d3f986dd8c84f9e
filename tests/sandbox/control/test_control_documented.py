"""docs/sandbox.md and the control API's own schema: they name what there is."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from sandbox import control
from sandbox.dialect import Dialect
from sandbox.faults import FAULTS
from sandbox.settings import Settings
from tests.sandbox.entries import ENTRIES
from tests.sandbox.world import World

DOCUMENT = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text(encoding="utf-8")


def rows(title: str) -> dict[str, list[str]]:
    """The cells of the table with that heading, by the first cell."""
    section = DOCUMENT.partition(f"| {title} |")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines()[2:]]
    return {first.strip(): others for first, *others in cells}


def test_every_setting_is_described_with_its_default() -> None:
    described = {name.strip("`"): default for name, (default, _) in rows("setting").items()}
    assert described.keys() == Settings.model_fields.keys()
    for name, default in described.items():
        value = getattr(Settings(), name)
        shown = default.rpartition("else ")[2].strip("`")
        expected = value if isinstance(value, str) else json.dumps(value)
        assert shown in (expected, "the entry's"), name


def test_faults_that_are_described_exist() -> None:
    described = {name for cell in rows("fault") for name in re.findall(r"`(\w+)`", cell)}
    assert described <= FAULTS.keys()
    assert {"late", "held", "held_answer", "entry_error"} <= described


def test_every_call_is_described() -> None:
    described = {call for cell in rows("call") for call in re.findall(r"`([A-Z]+ [a-z/]+)`", cell)}
    module = control.__doc__ or ""
    listed = re.findall(r"^\| ((?:[A-Z]+, )*[A-Z]+) ([a-z/]+)", module, re.MULTILINE)
    assert described == {f"{method} {name}" for methods, name in listed for method in methods.split(", ")}


def test_every_call_that_is_described_exists(world: World) -> None:
    for cell in rows("call"):
        for method, name in re.findall(r"`([A-Z]+) ([a-z/]+)`", cell):
            assert world.http.request(method, f"{world.base}/_control/{name}", json={}).status_code in (200, 204, 400)


def test_the_schema_describes_every_body(world: World) -> None:
    schemas = world.control("GET", "schema")
    described = {call for cell in rows("call") for call in re.findall(r"`((?:POST|PUT) [a-z/]+)`", cell)}
    assert schemas.keys() == described - {"POST reset"}
    settings = schemas["PUT settings"]["properties"]
    assert settings.keys() == {"slug", "site", "account", *Settings.model_fields}
    assert all("description" in one for one in settings.values())
    assert schemas["POST faults"]["properties"]["skip"]["description"]


def test_the_defaults_are_those_of_the_entry(world: World) -> None:
    form = Settings.of(Dialect.read(tomllib.loads(ENTRIES["form"])))
    assert (form.refresh_grace, form.reuse, form.revoke_ends) == (30, "refused", "grant")
    assert Settings.of(Dialect.read(tomllib.loads(ENTRIES["coros"]))).refresh == "extending"
    assert world.control("GET", "settings")["form"] == form.model_dump()
