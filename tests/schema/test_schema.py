"""The schema as a reviewed file, and the operations of REST against it."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphql import parse, validate

from rest.routes import ROUTES, RestRoute
from schema.execution import Executor

ROOT = Path(__file__).parents[2]


def test_the_sdl_is_the_printed_schema() -> None:
    assert (ROOT / "schema.graphql").read_text(encoding="utf-8") == Executor(explore=True).sdl, "run `make sdl`"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_every_operation_of_rest_is_valid(route: RestRoute) -> None:
    assert validate(Executor(explore=False).graphql, parse(route.document)) == []


def test_every_operation_document_has_a_route() -> None:
    files = {path.stem for path in (ROOT / "rest" / "operations").iterdir()}
    assert files == {route.operation for route in ROUTES}
