"""The provider's own id of the user in a token answer."""

from __future__ import annotations

import pytest

from providers.errors import UnreadableResponse
from tests.providers.entries import provider
from tests.providers.token_answers import EPOCH, GOOD, NESTED, fault, jwt, read

CLAIM = provider(token="root = 'body'\naccount = 'user.id'\naccount_claim = 'sub'")


@pytest.mark.parametrize(
    ("value", "account"),
    [
        ("x-1", "x-1"),
        (42, "42"),
        (12.0, "12"),
        (1e2, "100"),
        (-0.0, "0"),
        (-7, "-7"),
        (2.0**53, str(2**53)),
        (-(2.0**53), str(-(2**53))),
        ("a" * 256, "a" * 256),
    ],
)
def test_valid_account_ids(value: object, account: str) -> None:
    assert read(GOOD | {"id": value}, EPOCH).account == account


NO_IDS: list[object] = [
    None,
    1.5,
    2.0**53 + 2,
    -(2.0**53) - 2,
    2.0**54,
    1e300,
    True,
    [],
    [1],
    {},
    "",
    "a" * 257,
    "\x1b",
    "\ud800",
    10**300,
]


@pytest.mark.parametrize("value", NO_IDS)
def test_an_invalid_account_id_is_ignored(value: object) -> None:
    assert read(GOOD | {"id": value}, EPOCH) == read(GOOD, EPOCH)


@pytest.mark.parametrize("user", [None, "x", 7, True, [], [{"id": 7}], {}, {"id": {}}])
def test_an_account_path_without_a_value_is_ignored(user: object) -> None:
    assert read({"status": 0, "body": GOOD | {"user": user}}, NESTED).account is None


@pytest.mark.parametrize("number", [b"1e999", b"NaN", b"9" * 5000])
def test_a_malformed_number_is_no_account_id(number: bytes) -> None:
    assert read(b'{"access_token": "abc", "id": %b}' % number, EPOCH).account is None


@pytest.mark.parametrize("user", [b'{"id": 1, "id": 1}', b'{"id": 1}, "user": {"id": 1}', b'{}, "user": {}'])
def test_a_duplicated_account_id_is_refused(user: bytes) -> None:
    found = fault(b'{"status": 0, "body": {"access_token": "abc", "user": %b}}' % user, NESTED)
    assert isinstance(found, UnreadableResponse)


# In a claim of the id_token


def claimed(id_token: object, **more: object) -> str | None:
    return read({"body": GOOD | {"id_token": id_token} | more}, CLAIM).account


def test_the_claim_has_the_account_if_the_answer_does_not() -> None:
    assert claimed(jwt({"sub": "from-claim"})) == "from-claim"
    assert claimed(jwt({"sub": 42})) == "42"
    assert claimed(jwt({"sub": "from-claim"}), user={"id": "from-answer"}) == "from-answer"
    assert claimed(jwt({"sub": "from-claim"}), user={"id": ""}) == "from-claim"


def test_a_claim_may_be_nested() -> None:
    entry = provider(token="account_claim = 'user.ids.1'")
    assert read(GOOD | {"id_token": jwt({"user": {"ids": ["a", "b"]}})}, entry).account == "b"


def test_an_id_token_that_no_entry_asks_for_is_not_looked_at() -> None:
    for id_token in (jwt({"sub": "x"}), "no JWT", 7):
        assert read(GOOD | {"id_token": id_token}).account is None


UNREADABLE: list[object] = [
    None,
    7,
    True,
    [],
    {},
    "",
    "..",
    "a.b",
    "a.b.c.d.e",
    "e30.***.c2ln",
    "e30.\ud800.c2ln",
    "e30.é.c2ln",
    jwt(b"\xff"),
    jwt(b"{"),
    jwt(b"[" * 500),
    jwt(["sub"]),
    jwt({"sub": None}),
    jwt({"sub": {}}),
    jwt({"sub": ""}),
    jwt({"sub": "\x00"}),
    jwt({"sub": 1.5}),
    jwt({"other": "x"}),
    jwt(b'{"sub": "a", "sub": "a"}'),
]


@pytest.mark.parametrize("id_token", UNREADABLE)
def test_an_id_token_that_can_not_be_read_loses_no_tokens(id_token: object) -> None:
    assert claimed(id_token) is None


def test_an_id_token_that_is_there_twice_loses_no_tokens() -> None:
    twice = b'{"body": {"access_token": "abc", "id_token": "%b", "id_token": "x"}}' % jwt({"sub": "x"}).encode()
    assert read(twice, CLAIM).account is None
