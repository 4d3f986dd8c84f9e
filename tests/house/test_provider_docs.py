"""The pages of `docs/providers/`: that they are those of the entries, and what is written for entries of any kind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from providers.catalogue import CatalogueError, read_entry
from providers.entry.calls import AfterExchange
from providers.entry.layout import tables
from providers.entry.provider import Provider
from providers.unsupported import Unsupported
from scripts.provider_docs import FOLDER, README, documents, with_names, write
from scripts.provider_docs.overview import overview
from scripts.provider_docs.page import page
from scripts.provider_docs.words import lasting, listed
from tests.providers.entries import minimal, provider
from wire.tables import keys

DOCUMENTS = documents()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_page_is_that_of_its_entry(name: str) -> None:
    file = FOLDER / name
    assert file.exists(), "run `make providers-docs`"
    assert file.read_text(encoding="utf-8") == DOCUMENTS[name], "run `make providers-docs`"


def test_there_are_no_other_pages() -> None:
    assert sorted(file.name for file in FOLDER.iterdir()) == sorted(DOCUMENTS), "run `make providers-docs`"


def test_the_readme_names_the_providers() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_names(text) == text, "run `make providers-docs`"
    linked = re.findall(r"\]\(docs/providers/(.*?)\)", text)
    assert sorted(linked) == sorted(DOCUMENTS)


def test_pages_of_entries_that_are_gone_are_removed(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "gone.md").write_text("# Gone\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("a\n<!-- providers -->\nold\n<!-- /providers -->\nb\n", encoding="utf-8")
    write(tmp_path / "pages", tmp_path / "README.md")
    assert {file.name: file.read_text(encoding="utf-8") for file in (tmp_path / "pages").iterdir()} == DOCUMENTS
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert re.fullmatch(r"a\n<!-- providers -->\n- .*\n<!-- /providers -->\nb\n", readme, re.DOTALL)
    assert "old" not in readme


# Every key that a page shows, with a value that is not the default.
FULL = """
slug = "acme"
name = "Acme Ring"
docs = "https://acme.example/docs"
notes = "What else there is."
category = "wearable"
[registration]
portal = "https://acme.example/apps"
redirect = "prefix"
secrets = ["subscription_key"]
note = "No localhost."
[lifecycle]
sign_ups = "review"
ends = 2027-06-01
note = "Ten users."
[scopes]
sleep = "Read your sleep."
tags = "Read your tags."
[authorize]
url = "https://acme.example/authorize"
scopes = ["sleep"]
pkce = "none"
params = { access_type = "offline" }
iss = "https://acme.example"
denied = "state_only"
[token]
url = "https://{region}.acme.example/token"
refresh_url = "https://acme.example/refresh"
auth = "client_secret_post"
headers = { Accept = "application/json" }
params = { action = "requesttoken" }
scope_prefix = "ext:"
expires = "expires_at"
refresh_params = { scope = "offline" }
refresh_grace = 3600
reuse = "refused"
refresh_expires = 31536000
refresh_ahead = true
margin = 300
account = "user_id"
account_claim = "sub"
[account]
url = "https://api.acme.example/me"
field = "id"
method = "POST"
form = { fields = "id" }
headers = { X-Version = "2" }
[granted]
url = "https://api.acme.example/permissions"
field = "permissions"
[api]
base = "https://api.acme.example"
headers = { X-Key = "{subscription_key}" }
[api.paging]
style = "cursor"
parameter = "nextToken"
next = "next_token"
size = "limit"
most = 25
days = 30
[[api.limits]]
requests = 100
seconds = 60
per = "user"
reset = "X-Reset"
[webhooks]
signature = "hmac_sha1"
header = "X-Signature"
encoding = "hex"
key = "webhook_secret"
signed = "timestamp_body"
timestamp = "X-Timestamp"
challenge = "The vendor sends a challenge."
account = "user.id"
[revoke]
method = "DELETE"
url = "https://acme.example/revoke"
auth = "client_secret_post"
token = "refresh_token"
params = { hint = "refresh_token" }
headers = { X-Version = "2" }
ends = "token"
[sites.us]
name = "United States"
variables = { region = "us" }
offered = false
[variables]
region = "eu"
[[sources]]
facts = "revocation"
url = "https://acme.example/source"
seen = 2026-11-30
sure = "documented"
note = "The vendor doesn't say what it ends."
"""

# How answers are read concerns Tendon alone, and for the rest there are other tests here.
NOT_SHOWN = {
    "open_sites",
    "authorize.scope_separator",
    "authorize.pkce_checked",
    "token.algorithm",
    "token.refresh",
    "token.root",
    "token.success",
    "token.errors",
    "token.extended",
    "token.quiet",
    "revoke.success",
    "revoke.errors",
    "revoke.adapter",
    "after_exchange",
}


def read(folder: Path, text: str) -> Provider:
    file = folder / "acme.toml"
    file.write_text(text, encoding="utf-8")
    return read_entry(file, variables={})


LINES = FULL.strip().splitlines()


def keys_of_lines() -> Iterator[tuple[str, int]]:
    """Each key of FULL, such as `api.limits.requests`, with the number of its line."""
    table = ""
    for number, line in enumerate(LINES):
        if line.startswith("["):
            table = line.strip("[]").replace("sites.us", "sites") + "."
        else:
            yield table + line.partition(" = ")[0], number


# For keys that can't be left out, and for those that others need.
OTHER_VALUES = {
    "registration.secrets": '["subscription_key", "other"]',
    "authorize.scopes": '["tags"]',
    "api.paging.style": '"page"',
    "api.limits.requests": "101",
    "api.limits.seconds": "3600",
    "webhooks.signature": '"hmac_sha256"',
    "revoke.token": '"access_token"',
    "sources.seen": "2026-11-29",
    "sources.sure": '"unverified"',
}


# The name of the file, and what other keys need.
UNCHANGEABLE = {"slug", "account.method"}


@pytest.mark.parametrize(("key", "number"), [*keys_of_lines()])
def test_a_page_shows_every_key(tmp_path: Path, key: str, number: int) -> None:
    """It changes with each: without it or, if it must be there, with another value."""
    name, _, value = LINES[number].partition(" = ")
    others = (
        [[f"{name} = {OTHER_VALUES[key]}"]] if key in OTHER_VALUES else [[], [f"{name} = {value[:-1]}x{value[-1]}"]]
    )
    for other in others:
        with suppress(CatalogueError):
            changed = read(tmp_path, "\n".join([*LINES[:number], *other, *LINES[number + 1 :]]))
            assert page(changed) != page(read(tmp_path, FULL))
            return
    assert key in UNCHANGEABLE


def test_every_key_of_the_format_is_looked_at() -> None:
    """A new key has to be shown, or to be left out on purpose."""
    known = {key for key, _ in keys_of_lines()} | NOT_SHOWN
    known |= {key.rpartition(".")[0] for key in known}
    found = [".".join((*table, name)) for table, kind in tables() for name in keys(kind)]
    hidden = tuple(f"{key}." for key in NOT_SHOWN)
    assert [key for key in found if key not in known and not key.startswith(hidden)] == []


def test_which_variables_to_set_for_each_hospital(tmp_path: Path) -> None:
    text = FULL.partition("[sites.us]")[0].replace("https://{region}.", "https://{host}.{region}.")
    text = f"open_sites = true\n{text}[variables]\nhost = ''\nregion = 'eu'\n"
    shown = page(read(tmp_path, text))
    assert "```sh\nACME_SITES=mgh,ucsf\nACME_MGH_HOST=…\nACME_UCSF_HOST=…\n```" in shown
    assert "`ACME_MGH_CLIENT_ID` and `ACME_MGH_CLIENT_SECRET`" in shown
    assert "`https://{host}.eu.acme.example/token`" in shown
    assert ".invalid" not in shown


def said(*, authorize: str = "", token: str = "", rest: str = "") -> str:
    return page(provider(authorize=authorize, token=token, tables=rest))


WEBHOOKS = '[webhooks]\nsignature = "sha1"\nheader = "X-S"\nkey = "client_secret"\nencoding = "base64"\n'
REVOKE = '[revoke]\nurl = "https://acme.example/revoke"\n'


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "- **PKCE:** S256, which the provider checks.\n"),
        ({"authorize": "pkce_checked = false"}, "- **PKCE:** Tendon sends an S256 challenge, but the provider is not"),
        ({"authorize": 'pkce = "none"'}, "- **PKCE:** none, because the provider rejects it.\n"),
        ({}, "Tendon asks for no scopes."),
        ({"authorize": 'scopes = ["a", "b", "c"]'}, "Tendon asks for `a`, `b` and `c`."),
        (
            {"rest": '[lifecycle]\nsign_ups = "review"'},
            "Anybody may register an app, which the vendor reviews. Only a few users can connect until then. Start",
        ),
        (
            {"rest": '[lifecycle]\nsign_ups = "review"\nnote = "Ten."\n[registration]\nportal = "https://a.example/b"'},
            "\nAnybody may register an app, which the vendor reviews. Ten. Apps are registered at <https://a.example/b>.\n",
        ),
        ({}, "Anybody may register an app. Start at [acme.example/docs](https://acme.example/docs)."),
        ({"rest": '[lifecycle]\nsign_ups = "held"'}, "The vendor registers no new apps for now. Start"),
        (
            {"rest": '[lifecycle]\nsign_ups = "closed"\n[registration]\nportal = "https://a.example/b"'},
            "The vendor registers no new apps any more. Apps are managed at <https://a.example/b>.\n",
        ),
        ({"rest": '[scopes]\na = "A."'}, "Tendon's request names no scopes. The provider has these:\n\n| scope |"),
        (
            {"rest": '[api]\nbase = "https://a.example"\n[api.paging]\nstyle = "push"\ndays = 1'},
            "There is nothing to read: the provider sends the data. A request for older data covers 1 day at most.\n",
        ),
        ({}, "```sh\nACME_CLIENT_ID=…\nACME_CLIENT_SECRET=…\n```"),
        ({"token": 'auth = "none"'}, "```sh\nACME_CLIENT_ID=…\n```\n\nThere is no client secret."),
        ({}, "`https://acme.example/token`, with the client's id and secret by HTTP Basic.\n"),
        ({"token": 'expires = "never"\nrefresh = "none"'}, "**Refreshing:** There are no refresh tokens.\n"),
        ({"token": 'refresh = "none"'}, "There are no refresh tokens: users connect again when the access token has"),
        ({"token": 'expires = "never"'}, "**Expiry:** Access tokens don't expire.\n"),
        ({}, "It is refreshed when it has less than 1 minute left.\n"),
        ({}, "Tendon never sends a replaced one, because the provider might end all tokens that came from it.\n"),
        ({"token": "refresh_grace = 28800"}, "The one before works for 8 hours more; after that, the provider might"),
        ({"token": 'reuse = "refused"'}, "Tendon never sends a replaced one, because the provider would refuse it."),
        ({"token": "refresh_ahead = true"}, "Connections that nobody uses are refreshed at least once a day, so that"),
        (
            {"token": "refresh_ahead = true\nrefresh_expires = 31536000"},
            "A refresh token works for a year. Connections that nobody uses are refreshed at least every 30 days,",
        ),
        (
            {"token": "refresh_ahead = true\nrefresh_expires = 7776000"},
            "Connections that nobody uses are refreshed at least every 22 days,",
        ),
        (
            {"token": "refresh_ahead = true\nrefresh_expires = 172800"},
            "Connections that nobody uses are refreshed within 12 hours,",
        ),
        ({"token": 'refresh = "extending"'}, "The tokens stay the same, and a refresh extends their life.\n"),
        ({}, "The entry doesn't say how to learn whose account at the provider it is."),
        ({"token": 'account = "user.id"'}, "The user's id is `user.id` in the token answer.\n"),
        (
            {"rest": '[account]\nurl = "https://acme.example/me"\nfield = "id"\nmethod = "POST"'},
            "The user's id is `id` in the answer to `POST https://acme.example/me`.\n",
        ),
        ({}, "- **Disconnecting:** No way to tell the provider is known."),
        ({"rest": f'{REVOKE}auth = "bearer"'}, "with the user's access token in the `Authorization` header. This is"),
        (
            {"rest": f'{REVOKE}token = "access_token"\nends = "account"'},
            "- **Disconnecting:** `POST https://acme.example/revoke`, with the client's id and secret by HTTP Basic and"
            " the access token in the form. This removes the user from the app",
        ),
        (
            {"rest": '[revoke]\nauth = "anonymous"\nurl = "https://acme.example/revoke?token={access_token}"'},
            "- **Disconnecting:** `POST https://acme.example/revoke?token={access_token}`. This is taken to end",
        ),
        (
            {"rest": f'{WEBHOOKS}signed = "body_key"'},
            "`X-S` has the SHA-1 of the body and the client secret, in base64.\n",
        ),
        (
            {"rest": f'{WEBHOOKS}signed = "body"'},
            "has the SHA-1 of the body with the client secret as the key, in base64.",
        ),
        ({}, "The entry names no sources but [acme.example/docs](https://acme.example/docs)."),
    ],
)
def test_what_is_said(given: dict[str, str], sentence: str) -> None:
    assert sentence in said(**given)


def test_the_variables_of_an_entry() -> None:
    text = page(provider(), {"host": "acme.example", "realm": "a|b"})
    assert "These have defaults, which the environment may change:" in text
    assert "\n| `ACME_HOST` | `acme.example` |\n| `ACME_REALM` | `a\\|b` |\n" in text


def test_variables_that_each_site_sets_are_not_for_the_environment(tmp_path: Path) -> None:
    both = FULL + '[sites.eu]\nname = "Europe"\nvariables = { region = "eu" }\n'
    assert "ACME_REGION" not in page(read(tmp_path, both), {"region": "eu"})
    assert "ACME_REGION" in page(read(tmp_path, both.replace('{ region = "eu" }', "{}")), {"region": "eu"})


def test_it_says_which_site_the_urls_are_of(tmp_path: Path) -> None:
    eu = '[sites.eu]\nname = "Europe"\nvariables = { region = "eu" }\n'
    assert "\nThe URLs below are those of `eu`.\n" in page(read(tmp_path, FULL + eu))
    assert "\nThe URLs below differ from site to site.\n" in page(read(tmp_path, FULL))


def test_the_adapters_are_named() -> None:
    entry = provider(tables=f'{REVOKE}token = "access_token"')
    assert entry.revoke
    call = AfterExchange(adapter="acme", url="https://acme.example/users")
    entry = replace(entry, revoke=replace(entry.revoke, adapter="acme"), after_exchange=call)
    assert "`https://acme.example/users`, with what the adapter `providers/adapters/acme.py` sends." in page(entry)
    assert "`https://acme.example/revoke`, with what the adapter `providers/adapters/acme.py` sends." in page(entry)


def test_the_smallest_entry_has_a_page() -> None:
    headings = re.findall(r"^#+ (.*)$", said(), re.MULTILINE)
    assert headings == ["Acme Ring", "Getting credentials", "Scopes", "What Tendon does", "Sources"]


def test_texts_of_an_entry_are_not_markdown() -> None:
    hostile = "a | b <b> *c* _d_ e_f `g | *h*` [i](j)\n\n# k"
    entry = provider(tables=f"[scopes]\nsleep = {json.dumps(hostile)}")
    entry = replace(entry, name="A | *b*", notes=hostile)
    (row,) = re.findall(r"^\| `sleep` .*$", page(entry), re.MULTILINE)
    assert row == r"| `sleep` | a \| b \<b> \*c\* \_d\_ e_f `g \| *h*` [i\](j) # k | no |"
    assert "\na | b \\<b> \\*c\\*" in page(entry)
    assert r"| [A \| \*b\*](acme.md) | `acme` |" in overview({"acme": entry}, {})
    assert "\n\\# a heading\n" in page(replace(entry, notes="# a heading"))
    assert "Tendon asks for `` a`b ``." in said(authorize='scopes = ["a`b"]')


def test_the_table_of_all() -> None:
    entry = provider(tables=f'{REVOKE}token = "access_token"\n[lifecycle]\nsign_ups = "held"\nends = 2026-12-31')
    other = replace(provider(authorize="pkce_checked = false"), slug="b", name="b", category="health_record")
    vendor = Unsupported(name="Nobody", reason="It has no API.", instead="Use Acme.")
    text = overview({"b": other, "acme": entry}, {"nobody": vendor})
    rows = re.findall(r"^\| .*$", text, re.MULTILINE)
    assert [row.removesuffix(" |  | no sources |") for row in rows[1:3]] == [
        "| [Acme Ring](acme.md) | `acme` | other | held, ends 2026-12-31 | checked | rotating | grant",
        "| [b](b.md) | `b` | health records | open | not known | rotating | none",
    ]
    assert rows[-1] == "| Nobody | It has no API. Use Acme. |"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1 second"),
        (90, "90 seconds"),
        (60, "1 minute"),
        (5400, "90 minutes"),
        (28800, "8 hours"),
        (86400, "1 day"),
        (7776000, "90 days"),
        (180 * 86400, "180 days"),
        (31536000, "a year"),
        (31557600, "a year"),
        (10 * 31557600, "10 years"),
        (4000000, "46 days"),
    ],
)
def test_a_time(seconds: int, text: str) -> None:
    assert lasting(seconds) == text


def test_a_list() -> None:
    assert [listed("a"), listed("ab"), listed("abc")] == ["a", "a and b", "a, b and c"]


def test_a_page_of_a_provider_that_requires_a_signature(tmp_path: Path) -> None:
    file = tmp_path / "acme.toml"
    signs = "[token]\nauth = 'private_key_jwt'\nalgorithm = 'RS512'"
    revokes = "[revoke]\nurl = 'https://acme.example/bye'\nauth = 'private_key_jwt'\ntoken = 'refresh_token'\n"
    file.write_text(f"{minimal('acme')}\n{revokes}".replace("[token]", signs), encoding="utf-8")
    text = page(read_entry(file, variables={}), {})
    assert "There is no client secret. `TENDON_CLIENT_KEYS` must name a file with a key for RS512" in text
    assert "with an assertion in the form, which a key of the client signs. The assertion is signed by RS512" in text
    assert "with an assertion, which a key of the client signs and the refresh token in the form" in text
    assert "ACME_CLIENT_SECRET" not in text
