"""What the pages contain: a configuration that cannot end its script, and dev tokens in dev mode only."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from web import STATIC, connect_page, graphiql_page, index_page


@pytest.mark.parametrize("value", ["</script><script>alert(1)</script>", "<!-- <script>", "\u2028\u2029"])
def test_no_value_can_end_the_script_with_the_configuration(value: str) -> None:
    config: dict[str, Any] = {"graphqlUrl": "/graphql", "token": value, "dev": False}
    page = connect_page(config).decode()
    assert value not in page
    assert page.count("<script") == connect_page(config | {"token": None}).decode().count("<script")


def test_pages_outside_dev_mode_do_not_mention_dev_tokens() -> None:
    config: dict[str, Any] = {"graphqlUrl": "/graphql", "token": None, "dev": False}
    assert b"dev:alice" not in connect_page(config)
    assert b"dev:alice" in connect_page(config | {"dev": True})


PAGES = {"index": index_page, "connect": connect_page, "graphiql": graphiql_page}


def source(name: str) -> str:
    return (STATIC.parent / "pages" / f"{name}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("dev", "explorer"), [(False, False), (True, False), (False, True), (True, True)])
def test_a_page_has_its_configuration_and_no_part_that_it_turns_off(name: str, *, dev: bool, explorer: bool) -> None:
    config = {"graphqlUrl": "/graphql", "token": "é & <", "dev": dev, "explorer": explorer}
    page = PAGES[name](config).decode()
    inserted = re.findall(r'<script type="application/json" id="config">(.*?)</script>', page)
    assert [json.loads(each) for each in inserted] == [config] * source(name).count("<!-- config -->")
    assert re.findall(r"<!-- /?(?:dev|explorer|config) -->", page) == []
    for condition in ("dev", "explorer"):
        for part in re.findall(rf"<!-- {condition} -->(.*?)<!-- /{condition} -->", source(name), re.DOTALL):
            assert (part in page) == config[condition]
