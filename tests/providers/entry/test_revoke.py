"""The revocation endpoint of an entry: keys that go together or don't, and what its request needs."""

from __future__ import annotations

import pytest

from providers.adapters import adapters_with
from providers.entry.revoke import Revoke
from tests.providers.entry.reading import problems, read, revoke, revoke_at, table


def rule_of(text: str) -> Revoke:
    found = read(text).revoke
    assert found is not None
    return found


ADAPTERS = " or ".join(adapters_with("revoke"))
MISSING = "revoke.token: is missing: neither auth = 'bearer' nor the URL nor a header sends one"
NO_FORM = "can't go with GET: there is no form, and no secret stands in a URL"
MAY_HAVE_EXPIRED = (
    "revoke.errors: can't have status = 401: the access token that authorizes the request may have expired"
)


def signing(lines: str) -> str:
    """For a provider that has no secret of ours."""
    return revoke(lines).replace("[token]", "[token]\nauth = 'private_key_jwt'\nalgorithm = 'RS256'")


@pytest.mark.parametrize(
    "text",
    [
        revoke("auth = 'bearer'"),
        revoke("auth = 'bearer'\nmethod = 'GET'"),
        revoke("auth = 'bearer'\nmethod = 'GET'\nparams = {}"),
        revoke("auth = 'bearer'\nparams = {all = 'yes'}"),
        revoke("auth = 'bearer'\nends = 'account'\nerrors = [{status = 404, meaning = 'grant_over'}]"),
        revoke("token = 'access_token'\nerrors = [{status = 401, meaning = 'grant_over'}]"),
        revoke("auth = 'none'\ntoken = 'access_token'\nmethod = 'DELETE'"),
        signing("auth = 'private_key_jwt'\ntoken = 'access_token'"),
        signing("auth = 'none'\ntoken = 'access_token'"),
        signing("auth = 'bearer'"),
        signing("adapter = 'withings'"),
        revoke("auth = 'anonymous'\ntoken = 'refresh_token'"),
        revoke("auth = 'anonymous'\nheaders = {token = '{refresh_token}'}"),
        revoke("auth = 'client_secret_post'\nheaders = {token = '{access_token}'}"),
        revoke("auth = 'bearer'\nsuccess = {field = 'result', equals = '0000'}"),
        revoke("auth = 'bearer'\nsuccess = {field = 'result', absent = true}"),
        revoke("adapter = 'withings'\nends = 'account'\nerrors = [{status = 401, meaning = 'grant_over'}]"),
        revoke_at("https://acme.example/users/{account}/{account}?id={account}", "auth = 'bearer'\nmethod = 'GET'"),
        revoke_at("https://acme.example/{client_id}/?t={access_token}&{refresh_token}=a", "auth = 'anonymous'"),
        revoke_at("https://{v}.example/{v}/{account}"),
        revoke_at("https://acme.example/{access_token}", "method = 'GET'"),
        revoke_at("https://acme.example/?t={refresh_token}", "errors = [{status = 401, meaning = 'grant_over'}]"),
    ],
)
def test_what_is_accepted(text: str) -> None:
    assert read(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (revoke("auth = 'none'"), MISSING),
        (revoke("auth = 'anonymous'"), MISSING),
        (revoke("auth = 'client_secret_post'"), MISSING),
        (revoke(""), MISSING),
        (revoke_at("https://acme.example/{account}/{client_id}", ""), MISSING),
        (revoke("headers = {X = '{client_id}'}"), MISSING),
        (
            revoke("auth = 'client_secret_post'\nmethod = 'GET'\nheaders = {a = '{access_token}'}"),
            f"revoke.auth: {NO_FORM}",
        ),
        (revoke("auth = 'none'\nmethod = 'GET'\nheaders = {a = '{access_token}'}"), f"revoke.auth: {NO_FORM}"),
        (revoke("auth = 'bearer'\nmethod = 'GET'\nparams = {a = 'b'}"), f"revoke.params: {NO_FORM}"),
        (revoke("auth = 'bearer'\nmethod = 'GET'\ntoken = 'access_token'"), f"revoke.token: {NO_FORM}"),
        (revoke("auth = 'bearer'\nerrors = [{status = 401, meaning = 'grant_over'}]"), MAY_HAVE_EXPIRED),
        (
            revoke(
                "auth = 'anonymous'\nheaders = {a = '{access_token}'}\nerrors = [{status = 401, meaning = 'passing'}]"
            ),
            MAY_HAVE_EXPIRED,
        ),
        (
            revoke_at("https://a.example/?t={access_token}", "errors = [{status = 401, meaning = 'grant_over'}]"),
            MAY_HAVE_EXPIRED,
        ),
        (
            revoke("auth = 'bearer'\nerrors = [{meaning = 'passing'}]"),
            "revoke.errors.0.field: is missing: a rule needs status, field or both",
        ),
        (revoke("auth = 'bearer'\nends = 'all'"), "revoke.ends: must be one of 'token', 'grant' or 'account'"),
        (revoke("auth = 'bearer'\nends = ''"), "revoke.ends: must be one of 'token', 'grant' or 'account'"),
        (revoke("auth = 'bearer'\nmethod = 'PUT'"), "revoke.method: must be one of 'POST', 'DELETE' or 'GET'"),
        (revoke("auth = 'bearer'\nsuccess = {field = 'a'}"), "revoke.success.equals: is missing"),
        (table("revoke", "auth = 'bearer'"), "revoke.url: is missing"),
        (revoke_at("http://acme.example/{account}"), "revoke.url: must be https"),
        (revoke_at("https://acme.example/{account}#a"), "revoke.url: must not have a fragment"),
        (revoke_at("https://acme.example/{user}"), "revoke.url: uses {user}, which has no default in [variables]"),
        (revoke_at("https://acme.example/{key}"), "revoke.url: uses {key}, which has no default in [variables]"),
        (revoke_at("http://acme.example/{access_token}", "auth = 'anonymous'"), "revoke.url: must be https"),
        (
            revoke("auth = 'anonymous'\nheaders = {Host = '{access_token}'}"),
            "revoke.headers: must not have Host, which is not for an entry to set",
        ),
        (revoke_at("https://localhost/{account}"), "revoke.url: must not be a private address"),
        (
            revoke("adapter = 'polar_'"),
            f"revoke.adapter: must be the name of an adapter in providers/adapters: {ADAPTERS}",
        ),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    assert problems(text) == [problem]


@pytest.mark.parametrize("name", ["account", "access_token", "refresh_token", "client_id"])
@pytest.mark.parametrize(
    "host", ["{}", "{}.example", "x{}.acme.example", "acme.example:{}", "{}@acme.example", "a:{}@acme.example"]
)
def test_what_a_connection_has_is_never_in_the_host(name: str, host: str) -> None:
    (found,) = problems(revoke_at(f"https://{host.format(f'{{{name}}}')}/revoke"))
    assert found in (
        f"revoke.url: must not have {{{name}}} in the host",
        "revoke.url: must be an http or https URL without a user name",
    )


@pytest.mark.parametrize(
    "lines",
    [
        "method = 'POST'",
        "auth = 'bearer'",
        "token = 'access_token'",
        "params = {}",
        "headers = {}",
        "success = {field = 'a', equals = 0}",
    ],
)
def test_an_adapter_decides_what_is_sent(lines: str) -> None:
    key = lines.partition(" ")[0]
    found = problems(revoke(f"adapter = 'withings'\n{lines}"))
    assert found == [f"revoke.{key}: can't go with adapter, which decides what is sent"]


@pytest.mark.parametrize(
    ("text", "needs", "personal", "by_token"),
    [
        (revoke("auth = 'bearer'"), set(), False, True),
        (revoke("token = 'refresh_token'"), {"refresh_token"}, False, False),
        (revoke("token = 'access_token'\nparams = {id = 'x{account}'}"), {"access_token", "account"}, False, False),
        (revoke_at("https://acme.example/{client_id}"), set(), False, True),
        (revoke_at("https://acme.example/{account}"), {"account"}, True, True),
        (revoke_at("https://acme.example/?{access_token}", "auth = 'anonymous'"), {"access_token"}, True, True),
        (revoke_at("https://acme.example/?{refresh_token}", "auth = 'none'"), {"refresh_token"}, True, False),
        (revoke("auth = 'anonymous'\nheaders = {a = '{access_token}'}"), {"access_token"}, True, True),
        (revoke("auth = 'bearer'\nheaders = {a = '{client_id}'}"), set(), False, True),
        (revoke("adapter = 'withings'"), set(), False, False),
    ],
)
def test_what_a_request_needs(text: str, needs: set[str], *, personal: bool, by_token: bool) -> None:
    found = rule_of(text)
    assert (found.needs, found.is_personal, found.is_authorized_by_access_token) == (needs, personal, by_token)


@pytest.mark.parametrize(("ends", "more"), [("token", False), ("grant", True), ("account", True)])
def test_what_a_revocation_ends(ends: str, *, more: bool) -> None:
    provider = read(revoke(f"auth = 'bearer'\nends = '{ends}'"))
    assert provider.revocation_ends_other_tokens is more
    assert provider.revocation_ends_only_its_tokens is not more


def test_defaults() -> None:
    found = rule_of(revoke("token = 'access_token'"))
    assert (found.method, found.auth, found.params, found.headers) == ("POST", "client_secret_basic", {}, {})
    assert (found.errors, found.success, found.adapter, found.ends) == ((), None, None, "grant")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            revoke("auth = 'private_key_jwt'\ntoken = 'access_token'"),
            "revoke: can have auth = 'private_key_jwt' only if [token] has it, which names the algorithm",
        ),
        (
            signing("token = 'access_token'"),
            "revoke: can't have auth = 'client_secret_basic': by token.auth, there is no secret",
        ),
        (
            signing("auth = 'client_secret_post'\ntoken = 'access_token'"),
            "revoke: can't have auth = 'client_secret_post': by token.auth, there is no secret",
        ),
        (signing("auth = 'private_key_jwt'\nmethod = 'GET'\ntoken = 'access_token'"), f"revoke.auth: {NO_FORM}"),
    ],
)
def test_a_signature_instead_of_a_secret(text: str, problem: str) -> None:
    assert problem in problems(text)
