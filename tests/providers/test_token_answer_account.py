"""The provider's own id of the user in a token answer."""

from __future__ import annotations

import pytest

from providers.errors import UnreadableResponse
from tests.providers.token_answers import EPOCH, GOOD, NESTED, fault, read


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
