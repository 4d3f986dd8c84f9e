"""Whatever a provider answers to a revocation, it is confirmed only if the answer says so, and no error shows it."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from providers.entry.revoke import Revoke
from providers.errors import RequestFailed
from providers.revocation import RevocationOutcome, read_revocation
from tests.providers.entries import provider
from wire.http.response import Response

ERRORS = "errors = [{status = 404, meaning = 'grant_over'}, {field = 'id', equals = 1, meaning = 'passing'}]"
MEMBERS = st.sampled_from([0, 1, True, "CANARY", "invalid_token", None])
OBJECTS = st.dictionaries(st.sampled_from(["id", "error", "errors", "x"]), MEMBERS)
STATUSES = st.sampled_from([200, 204, 302, 400, 401, 403, 404, 429, 500])


def rule(lines: str) -> Revoke:
    found = provider(tables=f"[revoke]\nurl = 'https://acme.example/revoke'\n{lines}\n{ERRORS}").revoke
    assert found is not None
    return found


RULES = [rule("auth = 'bearer'"), rule("token = 'refresh_token'"), rule("auth = 'none'\ntoken = 'access_token'")]


def read(rule: Revoke, response: Response) -> RevocationOutcome | RequestFailed:
    try:
        return read_revocation(rule, response)
    except RequestFailed as fault:
        return fault


@settings(deadline=None)
@given(rule=st.sampled_from(RULES), body=OBJECTS | st.binary(), status=STATUSES)
def test_arbitrary_answers_confirm_a_revocation_only_if_they_say_so(
    rule: Revoke, body: dict[str, object] | bytes, status: int
) -> None:
    found = read(rule, Response(status, body if isinstance(body, bytes) else json.dumps(body).encode()))
    assert "CANARY" not in repr(found)
    if rule.auth == "bearer" and status == 401:
        assert found is RevocationOutcome.CREDENTIAL_REFUSED
    elif status == 404:
        assert found is RevocationOutcome.CONFIRMED
    else:
        is_error = isinstance(body, dict) and repr(body.get("id")) == "1"
        assert (found is RevocationOutcome.CONFIRMED) is (status < 300 and not is_error)
