"""Whatever a provider answers to a revocation, it is confirmed only if the answer says so, and no error shows it. And
whatever a user's id and tokens are, each stays in its place of the request."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, unquote, urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st

from providers.credentials import Credentials
from providers.entry.headers import filled
from providers.entry.revoke import Revoke
from providers.errors import RequestFailed
from providers.revocation import RevocationOutcome, Tokens, _revocation_request, read_revocation
from tests.providers.entries import provider
from wire.http.connections import Origin
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


VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
PIECES = st.sampled_from([".", "..", "/", "%2e", "{", "}", "{access_token}", "{account}", "?", "#", "&", "=", "a"])
TOKENS = VISIBLE | st.lists(PIECES, min_size=1, max_size=3).map("".join)
ACCOUNTS = st.text(min_size=1, max_size=20).filter(str.isprintable) | TOKENS
NAMES = ("access_token", "refresh_token", "account", "client_id")
SEGMENTS = st.lists(st.sampled_from(["a", ".", "..", *map("{{{}}}".format, NAMES)]), min_size=1, max_size=3).map(
    "".join
)


@settings(deadline=None)
@given(
    path=st.lists(SEGMENTS.filter(lambda segment: segment not in (".", "..")), max_size=3),
    query=st.lists(SEGMENTS, max_size=2),
    tokens=st.builds(Tokens, TOKENS, TOKENS, ACCOUNTS),
    client_id=ACCOUNTS,
)
def test_each_value_stays_in_its_place_of_the_url(
    path: list[str], query: list[str], tokens: Tokens, client_id: str
) -> None:
    text = "/".join(["https://acme.example", *path]) + "".join(
        f"{'&' if n else '?'}{n}={q}" for n, q in enumerate(query)
    )
    asking = _revocation_request(Revoke(url=text, auth="bearer"), Credentials(client_id, None), tokens)
    values = {**tokens.by_name(), "client_id": client_id}
    expected = [filled(segment, values) for segment in path]
    if asking is None:
        assert {".", ".."} & {*expected}
        return
    assert asking.origin == Origin("https", "acme.example", 443)
    target = asking.content.split(b" ", 2)[1].decode("ascii")
    sent = urlsplit(target)
    assert [unquote(segment) for segment in sent.path.split("/")[1:]] == (expected or [""])
    assert parse_qsl(sent.query, keep_blank_values=True) == [(str(n), filled(q, values)) for n, q in enumerate(query)]


@settings(deadline=None)
@given(tokens=st.builds(Tokens, TOKENS, TOKENS, ACCOUNTS), key=VISIBLE)
def test_each_value_stays_in_its_header_field(tokens: Tokens, key: str) -> None:
    headers = {"A": "{access_token}", "B": "{key} {refresh_token}"}
    rule = Revoke(url="https://acme.example", auth="anonymous", method="GET", headers=headers)
    asking = _revocation_request(rule, Credentials("client", None, {"key": key}), tokens)
    assert asking is not None
    fields = asking.content.decode("ascii").split("\r\n")
    assert fields[-4:] == [f"A: {tokens.access_token}", f"B: {key} {tokens.refresh_token}", "", ""]
