"""Unused members of an answer may have any value: they neither make it unreadable nor change the result."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.errors import UnreadableResponse
from providers.token_answer import TokenAnswer, read_token_answer
from tests.providers.entries import provider
from wire.http.response import Response

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ENTRY = provider(token="account = 'athlete.id'")
TOKENS = '"access_token": "abc", "refresh_token": "def", "expires_in": 60, "scope": "a b", "token_type": "bearer"'


def read(text: bytes) -> TokenAnswer:
    return read_token_answer(ENTRY, Response(200, text), NOW)


EXPECTED = read(b'{%s, "athlete": {"id": 7}}' % TOKENS.encode())

ODD = [
    rb'"\ud800"',
    rb'"\udc00\ud800"',
    rb'"\u0000"',
    b'"\x00"',
    b'"a\nb\tc"',
    b'"Jos\xe9"',
    b'"\xed\xa0\x80"',
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 10_000,
    b'{"a": 1, "a": 2}',
    rb'{"a": 1, "\u0061": 2}',
    rb'[{"\ud800": {"b": [], "b": {}}}]',
    b"[" * 200 + b"]" * 200,
    b'{"access_token": "xyz", "scope": 7, "error": "invalid_grant"}',
    b'{"errors": [1], "id": [], "id": {}}',
]


@pytest.mark.parametrize("odd", ODD)
def test_a_malformed_unused_member_is_ignored(odd: bytes) -> None:
    start = b"{" + TOKENS.encode()
    assert read(start + b', "athlete": {"id": 7, "name": ' + odd + b"}}") == EXPECTED
    assert read(start + b', "athlete": {"id": 7}, "more": ' + odd + b"}") == EXPECTED
    assert read(b'{"more": ' + odd + b', "athlete": {"id": 7}, ' + start[1:] + b', "more": ' + odd + b"}") == EXPECTED


def test_a_byte_order_mark_is_skipped() -> None:
    assert read(b"\xef\xbb\xbf{" + TOKENS.encode() + b', "athlete": {"id": 7}}') == EXPECTED


@pytest.mark.parametrize(
    "athlete",
    [
        b'{"id": 7, "id": 7}',
        rb'{"id": 7, "\u0069d": 8}',
        b'{"id": 7}, "athlete": {"id": 7}',
    ],
)
def test_a_duplicated_used_member_is_refused(athlete: bytes) -> None:
    with pytest.raises(UnreadableResponse):
        read(b"{" + TOKENS.encode() + b', "athlete": ' + athlete + b"}")


@pytest.mark.parametrize("account", [b"NaN", rb'"\ud800"', rb'"\u0000"', b"{}"])
def test_a_malformed_account_id(account: bytes) -> None:
    """It counts as unknown, as the tokens are usable."""
    answer = read(b"{" + TOKENS.encode() + b', "athlete": {"id": ' + account + b"}}")
    assert (answer.access_token, answer.account) == ("abc", None)


KEYS = st.text(max_size=8) | st.sampled_from(["id", "name", "access_token", "\ud800", "\x00", "é"])
# JSON texts, with duplicate keys and everything that Python writes although it is not JSON.
VALUES = st.recursive(
    st.one_of(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
        st.sampled_from(["\ud800", "a\x00"]),
    ).map(json.dumps),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(KEYS, inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=12,
)
USED = {"access_token", "refresh_token", "expires_in", "scope", "token_type", "error", "errors", "athlete"}
MEMBERS = st.lists(st.tuples(KEYS.filter(lambda key: key not in USED), VALUES), max_size=4)


@settings(deadline=None)
@given(before=MEMBERS, after=MEMBERS, profile=MEMBERS, escaped=st.booleans())
def test_unused_members_never_change_the_result(
    before: list[tuple[str, str]], after: list[tuple[str, str]], profile: list[tuple[str, str]], escaped: bool
) -> None:
    def text(pairs: list[tuple[str, str]]) -> str:
        return "".join(f"{json.dumps(key, ensure_ascii=escaped)}: {value}, " for key, value in pairs)

    athlete = text([(key, value) for key, value in profile if key != "id"])
    whole = f'{{{text(before)}{text(after)}{TOKENS}, "athlete": {{{athlete}"id": 7}}}}'
    assert read(whole.encode("utf-8", "surrogatepass")) == EXPECTED


@settings(deadline=None)
@given(name=st.sampled_from(sorted(USED)), value=VALUES, first=st.booleans(), escaped=st.booleans())
def test_any_duplicated_used_member_is_refused(name: str, value: str, first: bool, escaped: bool) -> None:
    key = f"\\u{ord(name[0]):04x}{name[1:]}" if escaped else name
    parts = [f'"{key}": {value}', f'{TOKENS}, "athlete": {{"id": 7}}, "error": null, "errors": null']
    whole = ", ".join(parts if first else reversed(parts))
    with pytest.raises(UnreadableResponse):
        read(f"{{{whole}}}".encode("utf-8", "surrogatepass"))
