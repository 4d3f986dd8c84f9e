"""What is left of an answer: its structure and its types, and nothing of its values."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.authors.made_up import SHARED, made_up_text, shares
from gateway.authors.redaction import _WORDS, Redactor
from tests.providers.entries import provider

NAMES = st.sampled_from(["access_token", "refresh_token", "user", "email", "id", "message", "error", "code", "scope"])
SECRETS = (
    st.text(min_size=SHARED, max_size=60)
    | st.from_regex(r"[A-Za-z0-9_.~/+=-]{6,80}", fullmatch=True)
    | st.integers(min_value=10**6, max_value=10**30).map(str)
    | st.emails()
    | st.dates().map(str)
    | st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")
)


def is_of_errors(text: str) -> bool:
    """Whether it is in words of errors, or is how a URL begins."""
    words = re.findall("[a-z]+", text.lower())
    return text in "https://" or all(any(word in each for each in _WORDS) for word in words)


def texts(value: Any) -> list[str]:
    """All values in a document, as text."""
    if isinstance(value, dict):
        return [text for part in value.values() for text in texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in texts(part)]
    return [str(value)]


def test_a_token_answer_keeps_its_structure() -> None:
    entry = provider(authorize="scopes = ['read:sleep', 'offline']", token="success = {field = 'status', equals = 0}")
    answer = {
        "status": 0,
        "access_token": "s3cr3tT0k3n-abcdef",
        "expires_in": 3600,
        "token_type": "Bearer",
        "scope": "read:sleep offline own:stuff7",
        "user": {"id": 227615, "email": "sam@example.org", "born": "1987-06-05", "premium": True, "weight": 71.4},
        "devices": ["abcdefgh", None],
        "1234567": {"x": []},
    }
    found = Redactor(entry).document(answer)
    assert list(found)[:-1] == list(answer)[:-1]
    assert (found["status"], found["expires_in"], found["token_type"]) == (0, 3600, "Bearer")
    assert found["scope"].split()[:2] == ["read:sleep", "offline"]
    assert "stuff" not in found["scope"]
    assert list(found["user"]) == list(answer["user"])  # type: ignore[arg-type]
    assert [type(part) for part in found["user"].values()] == [int, str, str, bool, float]
    assert (len(str(found["user"]["id"])), found["user"]["email"][3]) == (6, "@")
    assert "227615" not in json.dumps(found)
    assert "71.4" not in json.dumps(found)
    assert found["devices"][1] is None
    assert "1234567" not in found


@pytest.mark.parametrize(
    ("authorize", "token", "scope"),
    [
        ("scope_separator = ';'", "", "read:sleep;offline;{}"),
        ("scope_separator = ','", "", "read:sleep,offline,{}"),
        ("", "scope_prefix = 'extapi:'", "extapi:read:sleep extapi:offline {}"),
    ],
)
def test_the_scopes_of_the_entry_are_kept_as_the_provider_writes_them(authorize: str, token: str, scope: str) -> None:
    entry = provider(authorize=f"scopes = ['read:sleep', 'offline']\n{authorize}", token=token)
    found = Redactor(entry).document({"scope": scope.format("own_stuff")})["scope"]
    assert found.startswith(scope.format(""))
    assert "stuff" not in found


def test_the_words_of_an_error_are_kept() -> None:
    error = {"errors": [{"errorType": "invalid_grant", "message": "Refresh token invalid: eyQ8xk2mPz for user Sam"}]}
    found = Redactor().document(error)["errors"][0]
    assert found["errorType"] == "invalid_grant"
    assert found["message"].startswith("Refresh token invalid: ")
    assert "eyQ8xk2mPz" not in found["message"]
    assert "Sam" not in found["message"]


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_jwt_stays_one_with_made_up_claims() -> None:
    claims = {"sub": "sam-the-user", "exp": 1795456800, "roles": ["canary-admin"]}
    token = f"{encoded({'alg': 'RS256', 'kid': 'key-of-canary'})}.{encoded(claims)}.c2lnbmF0dXJl"
    header, payload, signature = Redactor().document({"access_token": token})["access_token"].split(".")
    decoded = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, payload)]
    assert decoded[0]["alg"] == "RS256"
    assert decoded[1]["exp"] == 1795456800
    assert list(decoded[1]) == list(claims)
    assert "canary" not in json.dumps(decoded)
    assert "sam-the" not in json.dumps(decoded)
    assert signature != "c2lnbmF0dXJl"


def test_many_words_in_a_row_take_no_time() -> None:
    """With a pattern that reads them in many ways, this doesn't end."""
    found = Redactor().document({"message": ["Error" * 1000, f"{'Error' * 1000}1"]})
    assert found["message"][0] == "Error" * 1000
    assert "Error" not in found["message"][1]


def test_names_that_are_email_addresses_are_values() -> None:
    found = Redactor().document({"@type": {"sam@example.org": 1, "Sam.Doe@example.org": 2}})
    (users,) = found.values()
    assert list(found) == ["@type"]
    assert not any("example" in name or "am" in name for name in users)


def test_the_same_value_becomes_the_same() -> None:
    found = Redactor().document({"a": "some-token-1", "b": {"c": "some-token-1"}, "d": "some-token-2"})
    assert found["a"] == found["b"]["c"]
    assert found["a"] != found["d"]


def test_values_that_are_no_numbers() -> None:
    found = Redactor().document(json.loads('{"a": NaN, "b": Infinity, "exp": -Infinity, "c": 1e300}'))
    assert all(isinstance(value, float) for value in found.values())
    assert json.loads(json.dumps(found, allow_nan=False))


@given(st.lists(st.tuples(NAMES, SECRETS), max_size=4), SECRETS)
def test_nothing_of_a_value_is_left(members: list[tuple[str, str]], alone: str) -> None:
    document = {"outer": dict(members), "list": [alone, {"deep": alone}], "error": {"message": f"The code {alone} is"}}
    found = "\n".join(texts(Redactor().document(document)))
    for _, value in [*members, ("", alone)]:
        for start in range(len(value) - SHARED + 1):
            part = value[start : start + SHARED]
            assert part not in found or is_of_errors(part)


@given(st.text(max_size=80))
def test_made_up_text_has_the_same_length(text: str) -> None:
    made = made_up_text(text)
    assert not shares(made, text) or text.lower().startswith("http")
    assert len(made) == len(text) or len(text) % 2 or text.lower().startswith("http")


@pytest.mark.parametrize("text", ["2026-11-30", "2026-11-30T12:00:00Z", "2001-02-03", "2026-11-30 12:00:00.123+01:00"])
def test_dates_stay_dates(text: str) -> None:
    made = made_up_text(text)
    assert [letter for letter in made if not letter.isdigit()] == [letter for letter in text if not letter.isdigit()]
    assert not shares(made, text)
