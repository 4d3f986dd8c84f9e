"""The token endpoint of an entry: limits, keys that go together or don't, and what follows from them."""

from __future__ import annotations

import pytest

from tests.providers.entry.reading import problems, read, token

ROTATING = "is only for refresh = 'rotating': no other refresh token is replaced"
ALGORITHM = "is missing: private_key_jwt needs the algorithm of the signature"
SIGNED = "is only for auth = 'private_key_jwt': nothing else is signed"
PARAM = "params: must not have client_assertion, which is filled in"
EXTENDING = "is only for refresh = 'extending': any other refresh is answered by an access token"


@pytest.mark.parametrize(
    "lines",
    [
        "root = 'a.0.b-c'",
        "success = {field = 'a', equals = true}",
        "success = {field = 'a', equals = ''}",
        "success = {field = 'a.b', absent = true}",
        "scope_prefix = 'ext:'",
        f"scope_prefix = '{'x' * 100}'",
        "refresh_grace = 0\nreuse = 'refused'\nmargin = 1\nquiet = 1\nrefresh_expires = 1",
        "refresh = 'rotating'\nrefresh_grace = 2678400\nreuse = 'revokes'\nmargin = 86400\nquiet = 86400",
        "refresh_expires = 3155760000",
        "refresh = 'extending'\nrefresh_ahead = true\nrefresh_params = {scope = 'a'}",
        "refresh = 'extending'\nextended = {field = 'a.0', equals = true}",
        "refresh = 'extending'\nextended = {field = 'a', equals = '0'}\nsuccess = {field = 'a', absent = true}",
        "refresh = 'none'\nrefresh_ahead = false",
        "account = 'user.id'\naccount_claim = 'sub'",
        "refresh_url = 'https://acme.example/refresh'",
        "auth = 'private_key_jwt'\nalgorithm = 'ES384'",
    ],
)
def test_what_is_accepted(lines: str) -> None:
    assert read(token(lines))


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            "auth = 'tls_client_auth'",
            "auth: must be one of 'client_secret_basic', 'client_secret_post', 'private_key_jwt' or 'none'",
        ),
        ("auth = 'private_key_jwt'", f"algorithm: {ALGORITHM}"),
        ("algorithm = 'RS256'", f"algorithm: {SIGNED}"),
        ("auth = 'none'\nalgorithm = 'ES256'", f"algorithm: {SIGNED}"),
        (
            "auth = 'private_key_jwt'\nalgorithm = 'PS256'",
            "algorithm: must be one of 'RS256', 'RS384', 'RS512', 'ES256' or 'ES384'",
        ),
        ("params = {client_assertion = 'a'}", PARAM),
        ("expires = 7", "expires: must be one of 'expires_in', 'expires_at', 'jwt' or 'never'"),
        ("expires = 'soon'", "expires: must be one of 'expires_in', 'expires_at', 'jwt' or 'never'"),
        ("refresh = 'always'", "refresh: must be one of 'rotating', 'reusable', 'extending' or 'none'"),
        ("refresh_grace = -1", "refresh_grace: must be at least 0"),
        ("refresh_grace = 2678401", "refresh_grace: must be at most 2678400"),
        ("refresh_grace = '8 h'", "refresh_grace: must be a whole number"),
        ("refresh_expires = 0", "refresh_expires: must be at least 1"),
        ("refresh_expires = 3155760001", "refresh_expires: must be at most 3155760000"),
        ("refresh_expires = true", "refresh_expires: must be a whole number"),
        ("margin = 0", "margin: must be at least 1"),
        ("margin = 86401", "margin: must be at most 86400"),
        ("quiet = 0", "quiet: must be at least 1"),
        ("quiet = 86401", "quiet: must be at most 86400"),
        ("quiet = 1.5", "quiet: must be a whole number"),
        ("reuse = 'ignored'", "reuse: must be one of 'refused' or 'revokes'"),
        ("refresh_ahead = 'daily'", "refresh_ahead: must be true or false"),
        ("root = ''", "root: must be names separated by dots"),
        ("account = 'a b'", "account: must be names separated by dots"),
        ("account_claim = '.sub'", "account_claim: must be names separated by dots"),
        ("scope_prefix = ''", "scope_prefix: must be printable ASCII characters without a space"),
        ("scope_prefix = 'a b'", "scope_prefix: must be printable ASCII characters without a space"),
        (f"scope_prefix = '{'x' * 101}'", "scope_prefix: must have 100 characters at most"),
        ("refresh_url = 'http://acme.example/'", "refresh_url: must be https"),
        ("refresh = 'reusable'\nrefresh_grace = 60", f"refresh_grace: {ROTATING}"),
        ("refresh = 'extending'\nreuse = 'refused'", f"reuse: {ROTATING}"),
        ("refresh = 'none'\nreuse = 'refused'", f"reuse: {ROTATING}"),
        ("extended = {field = 'result', equals = 0}", f"extended: {EXTENDING}"),
        ("refresh = 'extending'\nextended = {equals = 0}", "extended.field: is missing"),
        (
            "refresh = 'extending'\nextended = {field = 'a', absent = true}",
            "extended: must have equals: an answer that only lacks something extends no tokens",
        ),
        ("refresh = 'none'\nrefresh_ahead = true", "refresh_ahead: can't go with refresh = 'none'"),
        ("refresh = 'none'\nrefresh_expires = 60", "refresh_expires: can't go with refresh = 'none'"),
        ("refresh = 'none'\nrefresh_params = {a = 'b'}", "refresh_params: can't go with refresh = 'none'"),
        ("refresh_params = {a = 7}", "refresh_params.a: must be a string"),
        ("errors = {status = 400}", "errors: must be a list"),
        ("success = 'yes'", "success: must be a table"),
    ],
)
def test_what_is_refused(lines: str, problem: str) -> None:
    (found,) = problems(token(lines))
    assert found.startswith(f"token.{problem}")


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("params", "grant_type code redirect_uri code_verifier refresh_token client_id client_secret"),
        ("refresh_params", "grant_type refresh_token client_id client_secret"),
    ],
)
def test_parameters_that_are_filled_in(key: str, names: str) -> None:
    for name in names.split():
        found = problems(token(f"{key} = {{a = 'b', {name} = 'x'}}"))
        assert found == [f"token.{key}: must not have {name}, which is filled in"]


def test_defaults() -> None:
    found = read(token("")).token
    assert (found.auth, found.expires, found.params, found.headers) == ("client_secret_basic", "expires_in", {}, {})
    assert (found.refresh, found.refresh_grace, found.reuse) == ("rotating", 0, "revokes")
    assert (found.refresh_ahead, found.margin, found.quiet, found.refresh_params) == (False, 60, 60, {})
    assert (found.refresh_url, found.refresh_expires, found.extended, found.success) == (None, None, None, None)
    assert (found.errors, found.scope_prefix, found.account, found.account_claim) == ((), "", None, None)


@pytest.mark.parametrize(
    ("lines", "since_first_sent", "quiet"),
    [
        ("", 0, 60),
        ("quiet = 7", 0, 7),
        ("quiet = 7\nreuse = 'refused'", 0, 7),
        ("quiet = 7\nrefresh_grace = 10", 0, 0),
        ("quiet = 7\nrefresh_grace = 10", 9.9, 0),
        ("quiet = 7\nrefresh_grace = 10", 10, 7),
        ("refresh = 'reusable'", 1e9, 0),
        ("refresh = 'extending'", 1e9, 0),
    ],
)
def test_how_long_a_refresh_token_is_not_sent_again(lines: str, since_first_sent: float, quiet: int) -> None:
    assert read(token(lines)).token.quiet_for_refresh(since_first_sent) == quiet
