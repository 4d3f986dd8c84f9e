"""Catalogue entries for these tests: the documented example, and minimal ones."""

from __future__ import annotations

import tomllib

from providers.catalogue import Credentials, Provider
from providers.entry.urls import EntryContext
from wire.tables import read_table

CREDENTIALS = Credentials("client", "secret")

ACME = """
slug = "acme"
name = "Acme Ring"
docs = "https://developer.acme.example/oauth"      # where the facts come from

[authorize]
url = "https://acme.example/authorize"
scopes = ["sleep", "offline"]
scope_separator = " "                               # the default
pkce = "S256"                                       # or "none"
params = { access_type = "offline" }                # optional, sent as they are
iss = "https://acme.example"                        # optional: the provider sends iss (RFC 9207) and it must be this

[token]
url = "https://acme.example/token"
refresh_url = "https://acme.example/refresh"        # optional, else url
auth = "client_secret_basic"                        # client_secret_post, none
params = { action = "requesttoken" }                # optional
root = "body"                                       # optional: the path of the token object in the answer
success = { field = "status", equals = 0 }          # optional: what says that a 200 is a success
expires = "expires_in"                              # expires_at, jwt, never
refresh = "rotating"                                # reusable, extending, none
account = "user_id"                                 # optional: dotted path to the provider's own user id in the answer

[account]                                           # optional: else where to ask for it
url = "https://api.acme.example/me"
field = "id"

[revoke]                                            # optional
method = "POST"
url = "https://acme.example/revoke"
auth = "client_secret_basic"                        # client_secret_post, bearer, none
token = "refresh_token"                             # which token goes into the form parameter `token`
params = { token_type_hint = "refresh_token" }
"""


def provider(
    *, authorize: str = "", token: str = "", tables: str = "", origin: str = "https://acme.example"
) -> Provider:
    """The smallest entry at `origin`, with these lines of TOML in its tables."""
    text = f"""
slug = "acme"
name = "Acme Ring"
docs = "https://acme.example/docs"
[authorize]
url = "{origin}/authorize"
{authorize}
[token]
url = "{origin}/token"
{token}
{tables}
"""
    table = tomllib.loads(text)
    secrets = tuple(table.get("registration", {}).get("secrets", ()))
    return read_table(Provider, table, EntryContext("acme", {}, allow_private=True, secrets=secrets))


def minimal(slug: str) -> str:
    """The text of the smallest entry."""
    return f"""
slug = "{slug}"
name = "Acme Ring"
docs = "https://acme.example/docs"
[authorize]
url = "https://acme.example/authorize"
[token]
url = "https://acme.example/token"
"""


WITH_SITES = """
slug = "acme"
name = "Acme Ring"
docs = "https://acme.example/docs"
[variables]
host = "us.acme.example"
version = "1"
[authorize]
url = "https://{host}/authorize"
[token]
url = "https://{host}/{version}/token"
[sites.us]
name = "United States"
[sites.eu]
name = "Europe"
variables = { host = "eu.acme.example" }
[sites.lab]
name = "Simulated users"
variables = { host = "lab.acme.example" }
offered = false
"""
"""An entry with sites, of which one is not offered."""
