"""Signed assertions are checked as strictly as the strictest provider would."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Generator
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from sandbox.app import Client, create_app
from sandbox.dialect import read_dialects
from tests.client_keys import as_pem, ec_key, rsa_key
from tests.sandbox.world import REDIRECT_URI, serve

AUDIENCE = "https://clinic.example/token"
ENTRY = f"""
slug = "clinic"
name = "Clinic"
docs = "https://clinic.example"
[authorize]
url = "https://clinic.example/authorize"
pkce = "none"
[token]
url = "{AUDIENCE}"
auth = "private_key_jwt"
algorithm = "RS256"
[revoke]
url = "https://clinic.example/revoke"
auth = "private_key_jwt"
token = "refresh_token"
"""
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
OURS, ANOTHERS = RSAKey.import_key(as_pem(rsa_key())), RSAKey.import_key(as_pem(rsa_key()))
EC = ECKey.import_key(as_pem(ec_key()))
KEYS: tuple[Any, ...] = tuple({**key.as_dict(private=False), "kid": kid} for key, kid in ((OURS, "ours"), (EC, "ec")))


@pytest.fixture(scope="module")
def http() -> Generator[httpx.Client]:
    app = create_app(read_dialects(tomllib.loads(ENTRY)), {"clinic": Client("us", "-", (REDIRECT_URI,), keys=KEYS)})
    with serve(app) as base, httpx.Client(base_url=base, verify=False, trust_env=False) as http:
        yield http


def signed(key: RSAKey | ECKey = OURS, header: dict[str, Any] | None = None, /, **changes: object) -> dict[str, str]:
    """The parameters of an assertion that is right but for `changes`; None leaves a claim out."""
    now = int(time.time())
    claims = {"iss": "us", "sub": "us", "aud": AUDIENCE, "jti": str(time.time_ns()), "iat": now, "exp": now + 300}
    present = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    fields = {"alg": "RS256", "kid": "ours", **(header or {})}
    text = jwt.encode(fields, present, key, algorithms=["RS256", "RS384", "ES256"])
    return {"client_assertion_type": TYPE, "client_assertion": text}


def code(http: httpx.Client) -> str:
    params = {"response_type": "code", "client_id": "us", "redirect_uri": REDIRECT_URI, "state": "x"}
    answer = http.get("/clinic/authorize", params={**params, "decision": "approve"})
    return httpx.URL(answer.headers["location"]).params["code"]


def exchange(http: httpx.Client, ours: dict[str, str], code: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT_URI, "code": code, **ours}
    return http.post("/clinic/token", data=form)


NOW = int(time.time())


def unsigned() -> dict[str, str]:
    """With the signature of other claims."""
    one, other = signed(), signed(exp=NOW + 200)
    head, _, signature = one["client_assertion"].split(".")
    return {**one, "client_assertion": f"{head}.{other['client_assertion'].split('.')[1]}.{signature}"}


@pytest.mark.parametrize(
    "ours",
    [
        {},
        {"client_id": "us"},
        {"client_id": "us", "client_secret": "-"},
        signed() | {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
        {"client_assertion": signed()["client_assertion"]},
        signed() | {"client_assertion": "made-up"},
        signed() | {"client_assertion": "e30.e30.e30"},
        signed() | {"client_id": "another"},
        unsigned(),
        signed(ANOTHERS),
        signed(ANOTHERS, {"kid": "another"}),
        signed(OURS, {"alg": "RS384"}),
        signed(EC, {"alg": "ES256", "kid": "ec"}),
        signed(iss="another"),
        signed(sub="another"),
        signed(iss=None),
        signed(sub=None),
        signed(aud="https://clinic.example/revoke"),
        signed(aud=None),
        signed(aud=[AUDIENCE]),
        signed(iat=NOW - 400, exp=NOW - 100),
        signed(iat=NOW + 3000, exp=NOW + 3100),
        signed(exp=NOW + 9000),
        signed(exp=None),
        signed(iat=None),
        signed(exp="soon"),
        signed(jti=None),
        signed(jti=""),
        signed(jti=7),
    ],
)
def test_what_is_refused(http: httpx.Client, ours: dict[str, str]) -> None:
    value = code(http)
    answer = exchange(http, ours, value)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    # The code has not been used.
    assert exchange(http, signed(), value).status_code == 200


def test_two_methods_at_once(http: httpx.Client) -> None:
    answer = exchange(http, signed() | {"client_secret": "-"}, code(http))
    assert answer.json()["error"] == "invalid_request"


def test_an_assertion_works_once(http: httpx.Client) -> None:
    """At whichever endpoint. The client's id may stand beside it."""
    first, second = signed() | {"client_id": "us"}, signed()
    token = exchange(http, first, code(http)).json()["refresh_token"]
    assert exchange(http, first, code(http)).json()["error"] == "invalid_client"
    refused = http.post("/clinic/revoke", data={"token": token, **first})
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert http.post("/clinic/revoke", data={"token": token, **second}).status_code == 200
    calls = http.get("/_control/calls").json()
    assert {call["auth"] for call in calls if call["endpoint"] == "revoke"} == {"private_key_jwt"}


def test_without_keys_nobody_is_known() -> None:
    app = create_app(read_dialects(tomllib.loads(ENTRY)), {"clinic": Client("us", "-", (REDIRECT_URI,))})
    with serve(app) as base, httpx.Client(base_url=base, verify=False, trust_env=False) as http:
        assert exchange(http, signed(), code(http)).json()["error"] == "invalid_client"
