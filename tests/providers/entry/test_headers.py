"""Header fields of an entry: which are refused, and how placeholders are replaced."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.entry.headers import filled, placeholders
from tests.providers.entry.reading import problems, read, table_with, token, with_secrets

TABLES: dict[str, Callable[[str], str]] = {
    "token": token,
    "account": partial(table_with, "account", "url = 'https://acme.example/me'\nfield = 'id'"),
    "api": partial(table_with, "api", "base = 'https://acme.example'"),
    "revoke": partial(table_with, "revoke", "url = 'https://acme.example/revoke'\nauth = 'bearer'"),
}


def headers(name: str, value: str = "x") -> str:
    return f"headers = {{ '{name}' = \"{value}\" }}"


@pytest.mark.parametrize("where", TABLES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Accept", "application/json"),
        ("User-Agent", "{client_id}/1.0"),
        ("X", "{key}-{other}-{key}"),
        ("x-!#$%&*+.^_`|~9", 'a b\\"c'),
        ("X" * 100, "x" * 1000),
    ],
)
def test_header_fields_that_are_accepted(where: str, name: str, value: str) -> None:
    assert read(with_secrets(TABLES[where](headers(name, value))))


FORBIDDEN = [
    "Authorization",
    "Proxy-Authorization",
    "Cookie",
    "Host",
    "Content-Type",
    "content-length",
    "Content-Anything",
    "Accept-Encoding",
    "Connection",
    "Proxy-Connection",
    "Keep-Alive",
    "TRANSFER-ENCODING",
    "TE",
    "Trailer",
    "Upgrade",
    "Expect",
]


@pytest.mark.parametrize("where", TABLES)
@pytest.mark.parametrize("name", FORBIDDEN)
def test_header_fields_of_tendon_and_of_the_connection_are_refused(where: str, name: str) -> None:
    found = problems(TABLES[where](headers(name)))
    assert found == [f"{where}.headers: must not have {name}, which is not for an entry to set"]


@pytest.mark.parametrize("where", TABLES)
@pytest.mark.parametrize("name", ["", "a b", "X:", "X\\r\\nY", "é", "X" * 101, "{client_id}"])
def test_what_is_no_name_of_a_header_field(where: str, name: str) -> None:
    found = problems(TABLES[where](f'headers = {{ "{name}" = "x" }}'))
    assert found == [f"{where}.headers: must have names of header fields as keys"]


@pytest.mark.parametrize("where", TABLES)
@pytest.mark.parametrize(
    "value", ["", " x", "x ", "a\\r\\nX: y", "a\\n", "\\t", "a\\u0000", "\\u007f", "é", "x" * 1001]
)
def test_values_that_would_break_the_head_are_refused(where: str, value: str) -> None:
    found = problems(TABLES[where](headers("X-Key", value)))
    assert found == [f"{where}.headers: must have visible ASCII characters as the value of X-Key"]


@pytest.mark.parametrize("where", TABLES)
def test_a_name_can_be_used_once_whatever_its_case(where: str) -> None:
    found = problems(TABLES[where]("headers = { X-Key = 'a', x-key = 'b' }"))
    assert found == [f"{where}.headers: has X-Key twice"]


@pytest.mark.parametrize("where", TABLES)
@pytest.mark.parametrize("name", ["client_secret", "account", "v", "third", "", "CLIENT_ID", "code"])
def test_an_unknown_placeholder_is_refused(where: str, name: str) -> None:
    (found,) = problems(with_secrets(TABLES[where](headers("X-Key", f"a{{{name}}}"))))
    tokens = "{access_token}, {refresh_token}, " if where == "revoke" else ""
    assert found == (
        f"{where}.headers: uses {{{name}}}: known are {{client_id}}, {tokens}{{key}}, {{other}}, "
        "and what [registration] names in secrets"
    )


@pytest.mark.parametrize("where", TABLES)
@pytest.mark.parametrize("value", ["{client_id", "client_id}", "{{client_id}}", "}{"])
def test_a_brace_that_is_left_over_is_refused(where: str, value: str) -> None:
    (found,) = problems(TABLES[where](headers("X-Key", value)))
    assert found == f"{where}.headers: has a brace in the value of X-Key that belongs to no placeholder"


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
def test_tokens_are_in_header_fields_of_a_revocation_only(name: str) -> None:
    value = headers("token", f"{{{name}}}")
    for where, text in TABLES.items():
        if where == "revoke":
            assert read(text(value))
        else:
            (found,) = problems(text(value))
            assert found.startswith(f"{where}.headers: uses {{{name}}}: known are {{client_id}}, and what ")


@pytest.mark.parametrize("value", ["7", "['a']", "{ X = 7 }", "{ X = ['a'] }"])
def test_header_fields_are_a_table_of_texts(value: str) -> None:
    (found,) = problems(token(f"headers = {value}"))
    assert re.match(r"token\.headers(\.X)?: must be a (table|string)", found)


NAMES = st.sampled_from(["a", "b", "c"])
TEXTS = st.lists(st.one_of(st.text("xyz {}", max_size=3), NAMES.map("{{{}}}".format)), max_size=6).map("".join)


@given(text=TEXTS, values=st.fixed_dictionaries(dict.fromkeys("abc", TEXTS)))
def test_placeholders_are_replaced_in_one_pass(text: str, values: dict[str, str]) -> None:
    """What a value contains is never replaced, whatever it looks like."""
    names = placeholders(text)
    parts = re.split(r"\{([^{}]*)\}", text)
    known = values | {name: name for name in names - values.keys()}
    expected = "".join(known[part] if number % 2 else part for number, part in enumerate(parts))
    assert filled(text, known) == expected
    assert names == set(parts[1::2])
