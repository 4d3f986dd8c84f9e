"""What the pages contain: a configuration that cannot end its script, and dev tokens in dev mode only."""

from __future__ import annotations

from typing import Any

import pytest

from web import connect_page


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
