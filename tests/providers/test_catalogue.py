from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from uuid import UUID

import pytest

from providers.catalogue import (
    BUILT_IN,
    CatalogueError,
    Credentials,
    Provider,
    ignored_files,
    read_catalogue,
    read_credentials,
)
from tests.providers.entries import ACME

SMALL = """
slug = "acme"
name = "Acme Ring"
docs = "https://acme.example/docs"
[authorize]
url = "https://acme.example/authorize"
[token]
url = "https://acme.example/token"
"""


def read_one(folder: Path, text: str, *, slug: str = "acme", allow_private: bool = False, **variables: str) -> Provider:
    (folder / f"{slug}.toml").write_text(text, "utf-8")
    return read_catalogue(folder, variables=variables, allow_private=allow_private)[slug]


def problems(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(CatalogueError) as raised:
        read_one(folder, text)
    return raised.value.problems


def test_the_documented_example_is_read_as_written(tmp_path: Path) -> None:
    acme = read_one(tmp_path, ACME)
    assert (acme.slug, acme.name, acme.docs) == ("acme", "Acme Ring", "https://developer.acme.example/oauth")
    assert acme.notes is None
    authorize, token, revoke = acme.authorize, acme.token, acme.revoke
    assert authorize.url == "https://acme.example/authorize"
    assert authorize.scopes == ("sleep", "offline")
    assert (authorize.scope_separator, authorize.pkce, authorize.iss) == (" ", "S256", "https://acme.example")
    assert authorize.params == {"access_type": "offline"}
    assert authorize.pkce_checked
    assert (token.url, token.refresh_url) == ("https://acme.example/token", "https://acme.example/refresh")
    assert (token.auth, token.params) == ("client_secret_basic", {"action": "requesttoken"})
    assert (token.root, token.expires, token.refresh, token.account) == ("body", "expires_in", "rotating", "user_id")
    assert token.success is not None
    assert (token.success.field, token.success.equals) == ("status", 0)
    assert acme.account is not None
    assert (acme.account.url, acme.account.field) == ("https://api.acme.example/me", "id")
    assert revoke is not None
    assert (revoke.method, revoke.url) == ("POST", "https://acme.example/revoke")
    assert (revoke.auth, revoke.token) == ("client_secret_basic", "refresh_token")
    assert revoke.params == {"token_type_hint": "refresh_token"}


def test_optional_keys_have_defaults(tmp_path: Path) -> None:
    acme = read_one(tmp_path, SMALL)
    assert (acme.authorize.scopes, acme.authorize.scope_separator, acme.authorize.pkce) == ((), " ", "S256")
    assert (acme.authorize.params, acme.authorize.iss) == ({}, None)
    assert (acme.token.auth, acme.token.expires, acme.token.refresh) == (
        "client_secret_basic",
        "expires_in",
        "rotating",
    )
    assert (acme.token.root, acme.token.success, acme.token.account, acme.token.refresh_url) == (None, None, None, None)
    assert (acme.account, acme.revoke) == (None, None)


@pytest.mark.parametrize("allow_private", [True, False])
def test_every_built_in_entry_is_valid(allow_private: bool) -> None:
    catalogue = read_catalogue(variables={}, allow_private=allow_private)
    files = {path.stem for path in BUILT_IN.glob("*.toml")}
    assert list(catalogue) == sorted(files if allow_private else files - {"sandbox"})
    for slug, provider in catalogue.items():
        assert provider.slug == slug


def test_the_catalogue_is_immutable() -> None:
    catalogue = read_catalogue(variables={})
    assert isinstance(catalogue, MappingProxyType)
    oura = catalogue["oura"]
    with pytest.raises(AttributeError, match="immutable"):
        oura.token.url = "https://elsewhere.example"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(TypeError):
        oura.token.params["x"] = "y"  # pyright: ignore[reportIndexIssue]


def test_ids_never_change() -> None:
    ids = {slug: provider.id for slug, provider in read_catalogue(variables={}, allow_private=True).items()}
    assert ids["oura"] == UUID("8731efb6-ec60-5794-935d-99daab769b83")
    assert ids["sandbox"] == UUID("94d3ce72-f235-52e3-8ec7-77c5421c1738")
    assert len(set(ids.values())) == len(ids)


def test_an_operators_entry_replaces_a_built_in_one(tmp_path: Path) -> None:
    ours = read_one(tmp_path, SMALL.replace('"acme"', '"oura"'), slug="oura")
    assert ours.name == "Acme Ring"
    assert ours.account is None


def test_only_toml_files_are_read(tmp_path: Path) -> None:
    for name in ("README.md", "._acme.toml", "acme.toml.bak"):
        (tmp_path / name).write_text("not TOML", "utf-8")
    assert "acme" not in read_catalogue(tmp_path, variables={})


def test_all_problems_are_reported_with_file_and_key(tmp_path: Path) -> None:
    text = SMALL.replace("[token]", '[token]\nauth = "basic"\nexpiry = "never"').replace('name = "Acme Ring"\n', "")
    (tmp_path / "zeta.toml").write_text("slug =", "utf-8")
    found = problems(tmp_path, text)
    assert found[:3] == (
        "acme.toml: name: is missing: The name that users know.",
        "acme.toml: token.auth: must be one of 'client_secret_basic', 'client_secret_post', 'private_key_jwt' or "
        "'none': did you mean 'client_secret_basic'? (line 7)",
        "acme.toml: token.expiry: is not a key of this format: did you mean expires? (line 8)",
    )
    assert found[3].startswith("zeta.toml: is not TOML: ")
    assert len(found) == 4


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('slug = "acme"', 'slug = "other"', "slug: must be the name of the file without .toml"),
        ('slug = "acme"', "slug = 7", "slug: must be a string"),
        ('slug = "acme"', 'slug = "acme"\nextra = 1', "extra: is not a key of this format"),
        ("[token]", "[tokens]", "token: is missing"),
        ("[authorize]", "[authorize]\nscopes = 'sleep'", "authorize.scopes: must be a list"),
        (
            "[authorize]",
            "[authorize]\nscopes = ['a b']",
            "authorize.scopes.0: must be printable ASCII characters without a space",
        ),
        (
            "[authorize]",
            "[authorize]\nscope_separator = ','\nscopes = ['a,b']",
            "authorize.scopes: must not have the separator in a scope",
        ),
        ("[authorize]", "[authorize]\npkce = 'plain'", "authorize.pkce: must be one of 'S256' or 'none'"),
        ("[authorize]", "[authorize]\nparams = {state = 'x'}", "authorize.params: must not have state"),
        ("[authorize]", "[authorize]\nparams = {depth = 1}", "authorize.params.depth: must be a string"),
        ("[authorize]", "[authorize]\niss = 'https://a.example/?x'", "authorize.iss: must not have a query"),
        ("acme.example/authorize", "acme.example/a#b", "authorize.url: must not have a fragment, unless"),
        ("acme.example/token", "acme.example/token#/", "token.url: must not have a fragment"),
        ("https://acme.example/token", "/token", "token.url: must be an http or https URL"),
        ("https://acme.example/token", "https://a:b@acme.example/", "token.url: must be an http or https URL"),
        (
            "https://acme.example/token",
            "https://acme.example/{region}",
            "token.url: uses {region}, which has no default in [variables]",
        ),
        ("https://acme.example/token", "http://acme.example/token", "token.url: must be https"),
        ("[token]", "[token]\nsuccess = {field = 'a', equals = 1.5}", "token.success.equals: must be a string"),
        ("[token]", "[token]\nroot = 'a..b'", "token.root: must be names separated by dots, such as user.id"),
        ("[token]", "[token]\nerrors = {status = 400, meaning = 'passing'}", "token.errors: must be a list"),
        ("[token]", "[token]\nerrors = [{meaning = 'passing'}]", "token.errors.0.field: is missing: a rule needs"),
        ("[token]", "[token]\nerrors = [{status = 400}]", "token.errors.0.meaning: is missing"),
        (
            "[token]",
            "[token]\nerrors = [{status = 400, meaning = 'over'}]",
            "token.errors.0.meaning: must be one of 'grant_over', 'misconfigured', 'slow_down' or 'passing'",
        ),
        (
            "[token]",
            "[token]\nerrors = [{status = 4000, meaning = 'passing'}]",
            "token.errors.0.status: must be at most 599",
        ),
        (
            "[token]",
            "[token]\nerrors = [{status = 99, meaning = 'passing'}]",
            "token.errors.0.status: must be at least 200",
        ),
        (
            "[token]",
            "[token]\nerrors = [{status = '400', meaning = 'passing'}]",
            "token.errors.0.status: must be a whole n",
        ),
        (
            "[token]",
            "[token]\nerrors = [{status = 400, meaning = 'passing', wait_header = 'a b'}]",
            "token.errors.0.wait_header: must be the name of a header field, such as Retry-After",
        ),
        ('slug = "acme"', 'slug = "Acme"', "slug: must be 1 to 63 lower-case letters, digits, `_` and `-`, and begin"),
        ('"Acme Ring"', '""', "name: must not be empty"),
        ('"Acme Ring"', f'"{"x" * 101}"', "name: must have 100 characters at most"),
        ("[authorize]", "[authorize]\npkce_checked = 1", "authorize.pkce_checked: must be true or false"),
        ("[authorize]", "[authorize]\nparams = 1", "authorize.params: must be a table"),
        ("[token]", "[revoke]\nurl = 5\n[token]", "revoke.url: must be"),
        (
            "[token]",
            "[token]\nerrors = [{status = 400, equals = 1, meaning = 'passing'}]",
            "token.errors.0.equals: needs field",
        ),
        (
            "[token]",
            "[token]\nerrors = [{field = 'a', equals = 1.5, meaning = 'passing'}]",
            "token.errors.0.equals: must be a string",
        ),
        (
            "[token]",
            "[token]\nerrors = [{field = 'a', equals = [], meaning = 'passing'}]",
            "token.errors.0.equals: must not be an empty list",
        ),
        (
            "[token]",
            "[token]\nerrors = [{field = 'a', equals = 1, starts_with = 'b', meaning = 'passing'}]",
            "token.errors.0.starts_with: can't be combined with equals",
        ),
        (
            "[token]",
            "[token]\nerrors = [{field = 'a', meaning = 'grant_over', wait = 'b'}]",
            "token.errors.0.wait: is only for slow_down and passing",
        ),
        (
            "[token]",
            "[token]\nerrors = [{field = 'a', meaning = 'passing', wait = 'b', wait_header = 'c'}]",
            "token.errors.0.wait_header: can't be combined with wait",
        ),
        (
            "[token]",
            "[token]\nerrors = [{field = 'a..b', meaning = 'passing'}]",
            "token.errors.0.field: must be names separated by dots",
        ),
        ("[token]", "[token]\nparams = {client_secret = 'x'}", "token.params: must not have client_secret"),
        ("[token]", "[revoke]\nurl = 'https://a.example'\n[token]", "revoke.token: is missing"),
        (
            "[token]",
            "[revoke]\nmethod = 'GET'\nurl = 'https://a.example'\ntoken = 'access_token'\n[token]",
            "revoke.token: can't go with GET",
        ),
        (
            "[token]",
            "[variables]\nOrigin = 'x'\n[token]",
            "variables.Origin: must be named with 1 to 63 lower-case letters, digits and `_`",
        ),
        ("[token]", "[variables]\nclient_secret = 'x'\n[token]", "variables.client_secret: has the name of a cred"),
        ("[token]", "[variables]\nregion = 1\n[token]", "variables.region: must be a string"),
    ],
)
def test_invalid_input_is_refused(tmp_path: Path, old: str, new: str, problem: str) -> None:
    (found, *_others) = problems(tmp_path, SMALL.replace(old, new, 1))
    assert found.startswith(f"acme.toml: {problem}")


@pytest.mark.parametrize(
    ("table", "key", "hint"),
    [
        ("[token]", "accounts = 'id'", "did you mean account?"),
        ("[token]", "Auth = 'none'", "did you mean auth?"),
        ("[token]", "succes = {}", "did you mean success?"),
        ("[authorize]", "scope_seperator = ','", "did you mean scope_separator?"),
        ("[authorize]", "auth = 'none'", "it belongs in [token] or in [revoke]"),
        ("[token]", "pkce = 'none'", "it belongs in [authorize]"),
        ("[token]", "slug = 'acme'", "it belongs at the top of the file, above all tables"),
    ],
)
def test_an_unknown_key_is_reported_with_a_suggestion(tmp_path: Path, table: str, key: str, hint: str) -> None:
    place = f"{table.strip('[]')}.{key.partition(' ')[0]}"
    text = SMALL.replace(table, f"{table}\n{key}")
    line = text.split("\n").index(key) + 1
    assert problems(tmp_path, text) == (f"acme.toml: {place}: is not a key of this format: {hint} (line {line})",)


def test_an_unknown_key_without_a_similar_one(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, SMALL + "[account]\nurl = 'https://acme.example/me'\nfield = 'id'\nxyz = 1\n")
    keys = "url, field, method, form, headers"
    assert found == f"acme.toml: account.xyz: is not a key of this format: the keys here are {keys} (line 12)"
    (found,) = problems(tmp_path, SMALL.replace("[token]", "[token]\nsuccess = {field = 'a', equals = 0, equal = 1}"))
    assert found == "acme.toml: token.success.equal: is not a key of this format: did you mean equals? (line 8)"
    (found,) = problems(tmp_path, SMALL.replace("[authorize]", "xyz = 1\n[authorize]"))
    keys = (
        "slug, name, docs, notes, category, registration, lifecycle, scopes, authorize, token, account, granted,"
        " after_exchange, api, webhooks, revoke, open_sites, sites, sources, variables"
    )
    assert found == f"acme.toml: xyz: is not a key of this format: the keys here are {keys} (line 5)"
    found, missing = problems(tmp_path, SMALL.replace("[token]", "[tokens]"))
    assert found == "acme.toml: token: is missing: The token endpoint, and how its answers are read."
    assert missing == "acme.toml: tokens: is not a key of this format: did you mean token? (line 7)"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("acme.tml", "an entry is a TOML file: rename it to acme.toml"),
        ("acme.tom", "an entry is a TOML file: rename it to acme.toml"),
        ("acme.tmol", "an entry is a TOML file: rename it to acme.toml"),
        ("acme.yaml", "an entry is a TOML file: rename it to acme.toml"),
        ("acme.json", "an entry is a TOML file: rename it to acme.toml"),
        ("Acme.TOML", "the name of an entry ends in .toml: rename it to acme.toml, or move it elsewhere"),
        ("acme.toml.bak", "the name of an entry ends in .toml: rename it to acme.toml, or move it elsewhere"),
        ("acme.toml~", "the name of an entry ends in .toml: rename it to acme.toml, or move it elsewhere"),
        ("acme.toml.txt", "the name of an entry ends in .toml: rename it to acme.toml, or move it elsewhere"),
    ],
)
def test_an_ignored_file_is_reported(tmp_path: Path, name: str, hint: str) -> None:
    for other in ("README.md", ".acme.toml.swp", "._acme.toml", "index.html", "LICENSE", "oura.toml"):
        (tmp_path / other).touch()
    (tmp_path / name).touch()
    assert ignored_files(tmp_path) == [f"{name}: is not read: {hint}"]


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "api.localhost",
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[fe80::1]",
        "[fc00::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::10.0.0.1]",
        "[64:ff9b:1::1]",
        "[2002:7f00:1::]",
        "[2001:0:1::1]",
        "%6cocalhost",
    ],
)
def test_a_private_host_is_refused_unless_allowed(tmp_path: Path, host: str) -> None:
    (found,) = problems(tmp_path, SMALL.replace("acme.example/token", f"{host}/token"))
    assert found.startswith("acme.toml: token.url: must ")


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "[2606:4700::1111]", "[::ffff:8.8.8.8]", "a-b.example.", "xn--bcher-kva.example"]
)
def test_a_public_host_is_accepted(tmp_path: Path, host: str) -> None:
    found = read_one(tmp_path, SMALL.replace("acme.example/token", f"{host}:8443/token"))
    assert found.token.url == f"https://{host}:8443/token"


def test_private_urls_are_accepted_if_allowed(tmp_path: Path) -> None:
    text = SMALL.replace("https://acme.example/token", "http://127.0.0.1:8000/token")
    assert read_one(tmp_path, text, allow_private=True).token.url == "http://127.0.0.1:8000/token"


def test_variables_in_urls_are_replaced_and_the_environment_overrides_them(tmp_path: Path) -> None:
    text = SMALL.replace("[token]", '[variables]\nregion = "us"\n[token]').replace(
        "acme.example/token", "{region}.acme.example/token"
    )
    text, slug = text.replace('"acme"', '"acme-ring"'), "acme-ring"
    assert read_one(tmp_path, text, slug=slug).token.url == "https://us.acme.example/token"
    assert read_one(tmp_path, text, slug=slug, ACME_RING_REGION="eu").token.url == "https://eu.acme.example/token"
    with pytest.raises(CatalogueError, match=r"acme-ring.toml: token.url: must not be a private address"):
        read_one(tmp_path, text.replace("{region}.acme.example", "{region}"), slug=slug, ACME_RING_REGION="localhost")


def test_the_origin_of_the_sandbox_is_a_variable() -> None:
    variables = {"SANDBOX_ORIGIN": "http://127.0.0.1:9"}
    sandbox = read_catalogue(variables=variables, allow_private=True)["sandbox"]
    assert sandbox.authorize.url == "http://127.0.0.1:9/authorize"
    assert sandbox.authorize.iss == "http://127.0.0.1:9"
    assert "sandbox" not in read_catalogue(variables=variables)


def test_a_slug_that_differs_from_its_file_name(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(SMALL, "utf-8")
    assert problems(tmp_path, SMALL) == (
        "other.toml: slug: must be the name of the file without .toml: "
        'rename the file to acme.toml, or write slug = "other" (line 2)',
    )


def test_two_slugs_with_the_same_environment_variables(tmp_path: Path) -> None:
    for slug in ("a-b", "a_b"):
        (tmp_path / f"{slug}.toml").write_text(SMALL.replace('"acme"', f'"{slug}"'), "utf-8")
    with pytest.raises(
        CatalogueError,
        match=r"a_b.toml: slug: A_B_CLIENT_ID in the environment is also for a-b.toml: choose another slug",
    ):
        read_catalogue(tmp_path, variables={})


def test_a_missing_folder_and_a_file_that_is_not_text(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="is not a folder"):
        read_catalogue(tmp_path / "missing", variables={})
    (tmp_path / "acme.toml").write_bytes(b"slug = '\xff'")
    with pytest.raises(CatalogueError, match=r"acme.toml: is not UTF-8"):
        read_catalogue(tmp_path, variables={})


def test_credentials_come_from_the_environment(tmp_path: Path) -> None:
    acme = read_one(tmp_path, SMALL.replace('"acme"', '"acme-ring"'), slug="acme-ring")
    both = {"ACME_RING_CLIENT_ID": "id", "ACME_RING_CLIENT_SECRET": "CANARY"}
    found = read_credentials(acme, both)
    assert found == Credentials("id", "CANARY")
    assert "CANARY" not in repr(found)
    for name in both:
        assert read_credentials(acme, both | {name: ""}) is None


def test_only_a_public_client_needs_no_secret(tmp_path: Path) -> None:
    acme = read_one(tmp_path, SMALL.replace("[token]", "[token]\nauth = 'none'"))
    assert read_credentials(acme, {"ACME_CLIENT_ID": "id"}) == Credentials("id", None)
    assert read_credentials(acme, {"ACME_CLIENT_SECRET": "secret"}) is None
