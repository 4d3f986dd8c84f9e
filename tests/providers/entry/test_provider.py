"""What an entry may say: each key at its limits, and keys that go together or don't."""

from __future__ import annotations

import re
from types import MappingProxyType
from uuid import UUID

import pytest

from providers.entry.provider import provider_id
from tests.providers.entries import minimal
from tests.providers.entry.reading import authorize, problems, read, revoke, rule, token


def revoke_as_bearer(lines: str) -> str:
    return revoke(f"auth = 'bearer'\n{lines}")


# Limits


@pytest.mark.parametrize(
    "text",
    [
        minimal("acme").replace("Acme Ring", "x" * 100),
        minimal("acme").replace("Acme Ring", "x"),
        authorize(f"scopes = ['{'a' * 256}', '!', '~']"),
        authorize("scope_separator = ','\nscopes = ['a:b']"),
        authorize("iss = 'https://acme.example/path'"),
        token("root = 'a.0.b-c'"),
        token("success = {field = 'a', equals = true}"),
        token("success = {field = 'a', equals = ''}"),
        rule("status = 200, meaning = 'passing'"),
        rule("status = 599, meaning = 'grant_over'"),
        rule("field = 'a', equals = [0, '', false], meaning = 'misconfigured'"),
        rule("field = 'a', starts_with = 'x', meaning = 'slow_down', wait = 'b.c'"),
        rule("status = 429, meaning = 'passing', wait_header = 'X-Wait-2'"),
        token("refresh_grace = 0\nreuse = 'refused'\nmargin = 1\nquiet = 1"),
        token("refresh = 'rotating'\nrefresh_grace = 2678400\nreuse = 'revokes'\nmargin = 86400\nquiet = 86400"),
        token("refresh = 'extending'\nrefresh_ahead = true\nrefresh_params = {scope = 'a'}"),
        token("refresh = 'none'\nrefresh_ahead = false"),
        token("refresh = 'extending'\nextended = {field = 'a.0', equals = true}"),
        minimal("acme") + "[api]\nbase = 'https://api.acme.example:8443/v1/'",
        revoke("auth = 'bearer'\nends = 'account'\nerrors = [{status = 404, meaning = 'grant_over'}]"),
        revoke("token = 'access_token'\nerrors = [{status = 401, meaning = 'grant_over'}]"),
        revoke("auth = 'bearer'\nmethod = 'GET'").replace("/revoke", "/users/{account}/{account}?id={account}"),
        revoke("auth = 'bearer'"),
        revoke("auth = 'bearer'\nmethod = 'GET'"),
        revoke("auth = 'none'\ntoken = 'access_token'\nmethod = 'DELETE'"),
        revoke("auth = 'bearer'\nparams = {all = 'yes'}"),
    ],
)
def test_what_is_just_valid(text: str) -> None:
    assert read(text).slug == "acme"


LONG = "a" * 256


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (authorize(f"scopes = ['a', '{LONG}a']"), "authorize.scopes.1: must have 256 characters at most"),
        (authorize("scopes = ['']"), "authorize.scopes.0: must be printable ASCII characters without a space"),
        (authorize("scopes = ['é']"), "authorize.scopes.0: must be printable ASCII characters without a space"),
        (authorize("scope_separator = ''"), "authorize.scope_separator: must not be empty"),
        (authorize("scope_separator = ', '"), "authorize.scope_separator: must have 1 characters at most"),
        (rule("status = 199, meaning = 'passing'"), "token.errors.0.status: must be at least 200"),
        (rule("status = 600, meaning = 'passing'"), "token.errors.0.status: must be at most 599"),
        (rule("field = 'a', starts_with = '', meaning = 'passing'"), "token.errors.0.starts_with: must not be empty"),
        (
            rule("field = 'a', starts_with = 'b', equals = 1, meaning = 'passing'"),
            "token.errors.0.starts_with: can't be combined with equals",
        ),
        (
            rule("status = 400, starts_with = 'a', meaning = 'passing'"),
            "token.errors.0.starts_with: needs field",
        ),
        (
            rule("field = 'a', meaning = 'misconfigured', wait_header = 'a'"),
            "token.errors.0.wait_header: is only for slow_down and passing",
        ),
        (
            rule("field = 'a', meaning = 'misconfigured', wait = 'a'"),
            "token.errors.0.wait: is only for slow_down and passing",
        ),
        (
            rule("field = 'a', meaning = 'grant_over', wait_header = 'a'"),
            "token.errors.0.wait_header: is only for slow_down and passing",
        ),
        (token("refresh_grace = -1"), "token.refresh_grace: must be at least 0"),
        (token("refresh_grace = 2678401"), "token.refresh_grace: must be at most 2678400"),
        (token("refresh_grace = '8 h'"), "token.refresh_grace: must be a whole number"),
        (token("margin = 0"), "token.margin: must be at least 1"),
        (token("margin = 86401"), "token.margin: must be at most 86400"),
        (token("quiet = 0"), "token.quiet: must be at least 1"),
        (token("quiet = 86401"), "token.quiet: must be at most 86400"),
        (token("quiet = 1.5"), "token.quiet: must be a whole number"),
        (token("reuse = 'ignored'"), "token.reuse: must be one of 'refused' or 'revokes'"),
        (token("refresh_ahead = 'daily'"), "token.refresh_ahead: must be true or false"),
        (
            token("refresh = 'reusable'\nrefresh_grace = 60"),
            "token.refresh_grace: is only for refresh = 'rotating': no other refresh token is replaced",
        ),
        (
            token("refresh = 'extending'\nreuse = 'refused'"),
            "token.reuse: is only for refresh = 'rotating': no other refresh token is replaced",
        ),
        (
            token("extended = {field = 'result', equals = 0}"),
            "token.extended: is only for refresh = 'extending': any other refresh is answered by an access token",
        ),
        (token("refresh = 'extending'\nextended = {equals = 0}"), "token.extended.field: is missing"),
        (token("refresh = 'none'\nrefresh_ahead = true"), "token.refresh_ahead: can't go with refresh = 'none'"),
        (
            token("refresh = 'none'\nrefresh_params = {a = 'b'}"),
            "token.refresh_params: can't go with refresh = 'none'",
        ),
        (token("refresh_params = {refresh_token = 'a'}"), "token.refresh_params: must not have refresh_token, which "),
        (minimal("acme") + "[api]\nbase = 'http://api.acme.example'", "api.base: must be https"),
        (minimal("acme") + "[api]\nbase = 'https://a.example/?a=b'", "api.base: must not have a query or fragment"),
        (minimal("acme") + "[api]", "api.base: is missing"),
        (revoke("auth = 'bearer'\nends = 'all'"), "revoke.ends: must be one of 'token', 'grant' or 'account'"),
        (revoke("auth = 'bearer'\nends = ''"), "revoke.ends: must be one of "),
        (
            revoke("auth = 'bearer'\nerrors = [{status = 401, meaning = 'grant_over'}]"),
            "revoke.errors: can't have status = 401: the access token that authorizes the request may have expired",
        ),
        (revoke("auth = 'bearer'\nerrors = [{meaning = 'passing'}]"), "revoke.errors.0.field: is missing: a rule "),
        (
            revoke("auth = 'bearer'").replace("acme.example/revoke", "{account}.example/revoke"),
            "revoke.url: must not have {account} in the host",
        ),
        (
            revoke("auth = 'bearer'").replace("/revoke", "/{account}/{user}"),
            "revoke.url: uses {user}, which [variables] does not have",
        ),
        (
            minimal("acme").replace("/token", "/{account}"),
            "token.url: uses {account}, which [variables] does not have",
        ),
        (
            minimal("acme") + "ends = 'token'",
            "token.ends: is not a key of this format: it belongs in [lifecycle] or in [revoke]",
        ),
        (
            minimal("acme") + "refresh_grac = 7",
            "token.refresh_grac: is not a key of this format: did you mean refresh_grace?",
        ),
        (
            revoke("auth = 'client_secret_post'\nmethod = 'GET'"),
            "revoke.auth: can't go with GET: there is no form, and no secret stands in a URL",
        ),
        (
            revoke("auth = 'bearer'\nmethod = 'GET'\nparams = {a = 'b'}"),
            "revoke.params: can't go with GET: there is no form, and no secret stands in a URL",
        ),
        (
            revoke("auth = 'none'"),
            "revoke.token: is missing: neither auth = 'bearer' nor the URL nor a header sends one",
        ),
        (
            revoke("auth = 'client_secret_post'"),
            "revoke.token: is missing: neither auth = 'bearer' nor the URL nor a header sends one",
        ),
        (
            minimal("acme") + "notes = 7",
            "token.notes: is not a key of this format: it belongs at the top of the file, ",
        ),
        (minimal("acme").replace('docs = "https', 'docs = "ftp'), "docs: must be an http or https URL without a user "),
        (minimal("acme").replace('"https://acme.example/docs"', "1979-05-27"), "docs: must be a string"),
        (minimal("acme") + "expires = 7", "token.expires: must be one of "),
        (token("success = {equals = 0}"), "token.success.field: is missing"),
        (token("success = 'yes'"), "token.success: must be a table"),
    ],
)
def test_what_is_just_not_valid(text: str, problem: str) -> None:
    """And nothing else is reported: a key that depends on an invalid one is not at fault."""
    found = problems(text)
    assert [line.startswith(problem) for line in found][:1] == [True], found


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (authorize("scope_separator = ''\nscopes = ['a']"), "authorize.scope_separator"),
        (rule("status = 7, meaning = 'passing'"), "token.errors.0.status"),
        (rule("field = '.', equals = 1, meaning = 'passing'"), "token.errors.0.field"),
        (rule("status = 400, meaning = 'x', wait = 'a'"), "token.errors.0.meaning"),
        (rule("field = 'a', equals = [], starts_with = 'b', meaning = 'passing'"), "token.errors.0.equals"),
        (rule("field = 'a', meaning = 'passing', wait = '.', wait_header = 'b'"), "token.errors.0.wait"),
        (revoke("auth = 'basic'"), "revoke.auth"),
        (revoke("method = 'PUT'\nauth = 'client_secret_post'\ntoken = 'access_token'"), "revoke.method"),
    ],
)
def test_one_mistake_is_one_problem(text: str, key: str) -> None:
    assert [line.partition(":")[0] for line in problems(text)] == [key]


@pytest.mark.parametrize("slug", ["a", "0", "a" * 63, "a-b_c", "4-"])
def test_valid_slugs(slug: str) -> None:
    assert read(minimal(slug), slug).slug == slug


@pytest.mark.parametrize("slug", ["", "a" * 64, "-a", "_a", "A", "a.b", "é", "a b"])
def test_invalid_slugs(slug: str) -> None:
    assert problems(minimal(slug), slug)[0].startswith("slug: must ")


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("authorize", "response_type client_id redirect_uri scope state code_challenge code_challenge_method"),
        ("token", "grant_type code redirect_uri code_verifier refresh_token client_id client_secret"),
        ("revoke", "token client_id client_secret"),
    ],
)
def test_parameters_that_are_filled_in(table: str, names: str) -> None:
    texts = {"authorize": authorize, "token": token, "revoke": revoke_as_bearer}
    for name in names.split():
        text = texts[table](f"params = {{a = 'b', {name} = 'x'}}")
        assert problems(text) == [f"{table}.params: must not have {name}, which is filled in"]
    assert read(texts[table]("params = {a = 'b'}"))


def test_nothing_of_an_entry_can_be_changed() -> None:
    entry = read(revoke("auth = 'bearer'\nparams = {a = 'b'}"))
    assert entry.revoke is not None
    for params in (entry.authorize.params, entry.token.params, entry.revoke.params):
        assert isinstance(params, MappingProxyType)
    for table in (entry, entry.authorize, entry.token, entry.revoke):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(table, "url" if table is not entry else "docs", "https://elsewhere.example")


def test_defaults() -> None:
    entry = read(revoke("token = 'access_token'"))
    assert entry.authorize.pkce_checked
    assert entry.token.errors == ()
    assert entry.revoke is not None
    assert (entry.revoke.method, entry.revoke.auth, entry.revoke.params) == ("POST", "client_secret_basic", {})
    assert (entry.revoke.errors, entry.revoke.ends, entry.api) == ((), "grant", None)
    token = entry.token
    assert (token.refresh, token.refresh_grace, token.reuse) == ("rotating", 0, "revokes")
    assert (token.refresh_ahead, token.margin, token.quiet, token.refresh_params) == (False, 60, 60, {})
    assert entry.id == provider_id("acme") == UUID("65afc89c-39e1-52ad-bcf3-f09a5a7ee331")


# What follows from the keys


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


@pytest.mark.parametrize(("ends", "more"), [("token", False), ("grant", True), ("account", True)])
def test_what_a_revocation_ends(ends: str, *, more: bool) -> None:
    provider = read(revoke(f"auth = 'bearer'\nends = '{ends}'"))
    assert provider.revocation_ends_other_tokens is more
    assert provider.revocation_ends_only_its_tokens is not more


def test_without_revocation_nothing_is_ended() -> None:
    provider = read(minimal("acme"))
    assert not provider.revocation_ends_other_tokens
    assert not provider.revocation_ends_only_its_tokens


def test_the_base_of_the_api_has_no_slash_at_its_end() -> None:
    api = read(minimal("acme") + "[api]\nbase = 'https://api.acme.example/v1/'").api
    assert api is not None
    assert api.base == "https://api.acme.example/v1"


# URLs


@pytest.mark.parametrize(
    ("key", "tail", "is_valid"),
    [
        ("authorize", "#/", True),
        ("authorize", "?a=b#/c", True),
        ("authorize", "#", False),
        ("authorize", "#a/", False),
        ("token", "?a=b", True),
        ("token", "#/", False),
        ("token", "#", False),
        ("docs", "#anchor", True),
    ],
)
def test_where_a_fragment_is_allowed(key: str, tail: str, *, is_valid: bool) -> None:
    text = re.sub(f"acme.example/{key}", lambda found: found[0] + tail, minimal("acme"))
    if is_valid:
        assert read(text)
    else:
        (problem,) = problems(text)
        assert problem.startswith(f"{key}.url: must not have a fragment")


@pytest.mark.parametrize("iss", ["https://acme.example#", "https://acme.example?", "https://acme.example/#/"])
def test_an_issuer_has_neither_query_nor_fragment(iss: str) -> None:
    assert problems(authorize(f"iss = '{iss}'")) == ["authorize.iss: must not have a query or fragment"]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://127.1/", "must have a host name or an IP address"),
        ("https://a..b/", "must have a host name or an IP address"),
        ("https://x.1/", "must have a host name or an IP address"),
        ("https://[::1]/", "must not be a private address"),
        ("http://acme.example/", "must be https"),
        ("http://localhost/", "must be https"),
        ("HTTPS://localhost./", "must not be a private address"),
        ("https://a.localhost/", "must not be a private address"),
        ("https://{x}/", "uses {x}, which [variables] does not have"),
        ("https://acme.example/{}", "uses {}, which [variables] does not have"),
    ],
)
def test_urls_that_are_refused(url: str, problem: str) -> None:
    assert problems(minimal("acme").replace("https://acme.example/token", url)) == [f"token.url: {problem}"]


@pytest.mark.parametrize("url", ["HTTPS://acme.example/", "https://notlocalhost/", "https://localhost.example/"])
def test_urls_that_are_accepted(url: str) -> None:
    assert read(minimal("acme").replace("https://acme.example/token", url)).token.url == url
