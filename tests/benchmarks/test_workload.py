from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks import workload
from benchmarks.seeding import listed_slugs
from benchmarks.workload import GRAPHQL, REST, check

_ID = "01a2b3c4-0000-7000-8000-000000000000"
_TIME = "2026-01-01T09:30:15.123Z"
_STATE = "5" * 40
_URL = (
    "http://127.0.0.1:9999/authorize?response_type=code&client_id=bench-client"
    "&redirect_uri=https%3A%2F%2Fapp.example%2Foauth%2Fcallback&scope=sleep%20offline"
    f"&state={_STATE}&code_challenge={'c' * 43}&code_challenge_method=S256"
)
_FIELDS = {"callback": "completeConnection", "authorize": "authorizeConnection"}


def connection(user: str, slug: str, synced: str | None) -> dict[str, Any]:
    head = {"id": _ID, "userId": user, "providerId": _ID, "providerSlug": slug, "status": "connected"}
    return {**head, "lastSyncAt": synced, "createdAt": _TIME}


def right(operation: str, listed: int = workload.LISTED) -> dict[str, Any]:
    reader = workload.reader(0, listed)
    return {
        "callback": {"connection": connection(workload.user(0), "bench", None)},
        "authorize": {"url": _URL, "state": _STATE},
        "list": {"connections": [connection(reader, slug, _TIME) for slug in listed_slugs(listed)]},
    }[operation]


def written(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@pytest.mark.parametrize("operation", ["callback", "authorize", "list"])
def test_the_right_response_fits(operation: str) -> None:
    status = 201 if operation == "callback" else 200
    body = right(operation)
    assert check(operation, REST)(0, status, written(body))
    data = {_FIELDS[operation]: body} if operation in _FIELDS else body
    by_graphql = check(operation, GRAPHQL)
    assert by_graphql(0, 200, written({"data": data}))
    assert by_graphql(0, 200, written({"data": data}) + b"\n")
    assert not by_graphql(0, 200, written(body))
    assert not check(operation, REST)(0, 202, written(body))


@pytest.mark.parametrize(
    ("operation", "right_part", "wrong_part"),
    [
        ("callback", "user-0000", "user-0001"),
        ("callback", "connected", "pending"),
        ("callback", ".123Z", ".123456Z"),
        ("callback", '"lastSyncAt":null,', ""),
        ("callback", "}}", '},"more":1}'),
        ("authorize", f"state={_STATE}", f"state={'6' * 40}"),
        ("authorize", "&code_challenge_method=S256", ""),
        ("authorize", "&scope=sleep%20offline", "&scope=sleep"),
        ("authorize", "response_type=code", "response_type=code&response_type=code"),
        ("authorize", "cccc&", "&"),
        ("list", '"providerSlug":"p099"', '"providerSlug":"p098"'),
        ("list", "reader-100-0", "reader-100-1"),
        ("list", "connected", "error"),
        ("list", '{"connections":[{', '{"connections":[{},{'),
    ],
)
def test_a_response_that_differs_does_not_fit(operation: str, right_part: str, wrong_part: str) -> None:
    body = written(right(operation)).decode()
    changed = wrong_part.join(body.rsplit(right_part, 1))
    assert changed != body
    assert not check(operation, REST)(0, 201 if operation == "callback" else 200, changed.encode())


def test_scopes_may_be_separated_by_either_code_of_a_space_and_parameters_in_any_order() -> None:
    url, query = _URL.split("?")
    other = "&".join(sorted(query.replace("%20", "+").split("&")))
    assert check("authorize", REST)(0, 200, written({"url": f"{url}?{other}", "state": _STATE}))


def test_lists_of_other_lengths_fit() -> None:
    assert check("list", REST, 3)(0, 200, written(right("list", 3)))
    assert not check("list", REST, 4)(0, 200, written(right("list", 3)))
