"""The claims of a JWT, whose signature nobody checks."""

from __future__ import annotations

import pytest

from providers.jwt import unverified_payload
from tests.providers.token_answers import jwt
from wire.strict_json import UnfitError


@pytest.mark.parametrize("padding", range(4))
def test_claims_are_read_whatever_the_signature(padding: int) -> None:
    claims = {"sub": "é?>" + "x" * padding}
    for signature in ("", "c2ln", "é"):
        assert unverified_payload(f"{jwt(claims).rpartition('.')[0]}.{signature}", "it") == claims


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c.d", "e30.%%%.x", "e30.a.x", "e30.\ud800.x", "e30.é.x"])
def test_what_is_no_jwt_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(UnfitError, match=r"^the id_token is not a JWT$"):
        unverified_payload(text, "the id_token")


@pytest.mark.parametrize("payload", [b"", b"[]", b"7", b"{", b"\xff"])
def test_claims_that_are_no_object_are_refused(payload: bytes) -> None:
    with pytest.raises(UnfitError):
        unverified_payload(jwt(payload), "it")
