"""Inputs beyond their type: not blank, not too long, printable; and no message tells the value."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers import inputs
from resolvers.errors import ValidationError
from wire import uri

# What a message is made of beside the field's name.
SENTENCES = {"must not be empty.", "must have at most 5 characters.", "must not hold control characters."}
CONTROL = [chr(code) for code in (*range(0x20), 0x7F, 0xD800, 0xDBFF, 0xDC00, 0xDFFF)]


def complaint(check: Callable[..., str], *arguments: object) -> str:
    with pytest.raises(ValidationError) as raised:
        check(*arguments)
    assert raised.value.code == "VALIDATION_ERROR"
    return raised.value.message


@pytest.mark.parametrize("value", ["a", "aaaaa", " a ", "é😀", "a\u00a0b", "'\"<"])
def test_what_passes_is_left_as_it_is(value: str) -> None:
    assert inputs.text("code", value, 5) == value
    assert inputs.optional_text("code", value, 5) == value


def test_blank() -> None:
    for value in ("", " ", "     ", " " * 6):
        assert complaint(inputs.text, "code", value, 5) == "code must not be empty."


def test_optional_text_may_be_empty() -> None:
    assert inputs.optional_text("iss", "", 5) == ""


def test_too_long() -> None:
    for check in (inputs.text, inputs.optional_text):
        assert complaint(check, "state", "CANARY", 5) == "state must have at most 5 characters."
        assert check("state", "CANARY", 6) == "CANARY"


@pytest.mark.parametrize("character", CONTROL, ids=[f"{ord(character):04x}" for character in CONTROL])
def test_control_characters(character: str) -> None:
    for check in (inputs.text, inputs.optional_text):
        for value in (f"a{character}", f"{character}a", f"a{character}a"):
            assert complaint(check, "code", value, 5) == "code must not hold control characters."


@given(st.text(st.characters(exclude_categories=()), max_size=10))
def test_any_text(value: str) -> None:
    try:
        assert inputs.text("code", value, 5) == value
    except ValidationError as problem:
        field, _, sentence = problem.message.partition(" ")
        assert field == "code"
        assert sentence in SENTENCES
    else:
        assert value.strip(" ")
        assert len(value) <= 5
        value.encode()


def test_redirect_uri() -> None:
    assert inputs.redirect_uri("https://app.example/cb") == "https://app.example/cb"
    assert inputs.redirect_uri("com.example.app:/cb") == "com.example.app:/cb"
    for value in ("/CANARY", "//CANARY/x", "https://CANARY/#", "https://CANARY|/", "CANARY", "https://CANARY:65536/"):
        assert complaint(inputs.redirect_uri, value) == "redirectUri must be an absolute URI without a fragment."
    assert complaint(inputs.redirect_uri, "  ") == "redirectUri must not be empty."
    assert complaint(inputs.redirect_uri, "https://x/\n") == "redirectUri must not hold control characters."
    overlong = "https://app.example/".ljust(uri.MAX_LENGTH + 1, "a")
    assert complaint(inputs.redirect_uri, overlong) == f"redirectUri must have at most {uri.MAX_LENGTH} characters."
