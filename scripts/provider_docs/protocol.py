"""What Tendon does at a provider, from the entry's endpoints, as a list of names and texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from providers.entry.provider import Provider
from providers.entry.revoke import Revoke
from providers.entry.token import Token
from providers.refresh_time import longest_ahead
from scripts.provider_docs.words import code, header_fields, lasting, listed, parameters

_CLIENT: Final = {
    "client_secret_basic": ["the client's id and secret by HTTP Basic"],
    "client_secret_post": ["the client's id and secret in the form"],
    "private_key_jwt": ["an assertion in the form, which a key of the client signs"],
    "none": ["the client's id alone in the form"],
    "bearer": ["the user's access token in the `Authorization` header"],
    "anonymous": [],
}
_EXPIRES: Final = {
    "expires_in": "The answer says in `expires_in` for how many seconds an access token works.",
    "expires_at": "The answer says in `expires_at` until when an access token works.",
    "jwt": "The access token is a JWT that says in `exp` until when it works.",
    "never": "Access tokens don't expire.",
}
_ENDS: Final = {
    "token": "ends the tokens of this connection only",
    "grant": "is taken to end all tokens that the app has for the user, also those of another connection",
    "account": "removes the user from the app, with all tokens and what else the app has of the account",
}
_TOKENS: Final = {"access_token": "the access token", "refresh_token": "the refresh token"}


def protocol(entry: Provider) -> Iterator[tuple[str, str]]:
    """What is done, and how, in the order of a connection's life."""
    yield "Authorization", " ".join(_authorization(entry))
    yield "PKCE", _pkce(entry)
    yield "Token endpoint", " ".join(_tokens(entry.token))
    if entry.after_exchange:
        adapter = code(f"providers/adapters/{entry.after_exchange.adapter}.py")
        yield "After the exchange", f"{code(entry.after_exchange.url)}, with what the adapter {adapter} sends."
    if granted := [*_granted(entry)]:
        yield "Granted scopes", " ".join(granted)
    yield "Account", _account(entry)
    yield "Expiry", " ".join(_expiry(entry.token))
    yield "Refreshing", " ".join(_refreshing(entry.token))
    yield "Disconnecting", _revocation(entry.revoke)


def _authorization(entry: Provider) -> Iterator[str]:
    rule = entry.authorize
    yield f"Users are sent to {code(rule.url)}{_with(parameters(rule.params))}."
    if rule.iss:
        yield f"The redirect must have the `iss` {code(rule.iss)}."
    if rule.denied == "state_only":
        yield "A redirect with `state` alone means that the user refused."


def _pkce(entry: Provider) -> str:
    if entry.authorize.pkce == "none":
        return "none, because the provider rejects it."
    if entry.authorize.pkce_checked:
        return "S256, which the provider checks."
    return (
        "Tendon sends an S256 challenge, but the provider is not known to check it; see"
        " [known limits](../security.md#known-limits)."
    )


def _tokens(rule: Token) -> Iterator[str]:
    sent = [*_CLIENT[rule.auth], *parameters(rule.params), *header_fields(rule.headers)]
    yield f"{code(rule.url)}{_with(sent)}."
    if rule.algorithm:
        yield f"The assertion is signed by {rule.algorithm} (RFC 7523)."
    if rule.refresh_url:
        yield f"Refreshes go to {code(rule.refresh_url)}."


def _granted(entry: Provider) -> Iterator[str]:
    if entry.token.scope_prefix:
        yield f"The provider writes {code(entry.token.scope_prefix)} before each, which Tendon drops."
    if entry.granted:
        call = code(f"GET {entry.granted.url}")
        yield f"After the exchange, Tendon asks {call}, where they are {code(entry.granted.field)}."


def _account(entry: Provider) -> str:
    rule, call = entry.token, entry.account
    known = [
        *([f"{code(rule.account)} in the token answer"] if rule.account else []),
        *([f"the claim {code(rule.account_claim)} of the ID token"] if rule.account_claim else []),
    ]
    if call is not None:
        sent = _with([*parameters(call.form), *header_fields(call.headers)])
        known.append(f"{code(call.field)} in the answer to {code(f'{call.method} {call.url}')}{sent}")
    if not known:
        return "The entry doesn't say how to learn whose account at the provider it is."
    return f"The user's id is {', otherwise '.join(known)}."


def _expiry(rule: Token) -> Iterator[str]:
    yield _EXPIRES[rule.expires]
    if rule.expires != "never" and rule.refresh != "none":
        yield f"It is refreshed when it has less than {lasting(rule.margin)} left."


def _refreshing(rule: Token) -> Iterator[str]:
    if rule.refresh == "none":
        again = "" if rule.expires == "never" else ": users connect again when the access token has expired"
        yield f"There are no refresh tokens{again}."
        return
    yield {
        "rotating": "Each refresh replaces the refresh token.",
        "reusable": "The refresh token stays the same.",
        "extending": "The tokens stay the same, and a refresh extends their life.",
    }[rule.refresh]
    if rule.refresh == "rotating":
        yield _replaced(rule)
    if rule.refresh_params:
        yield f"A refresh also has {listed(parameters(rule.refresh_params))}."
    if rule.refresh_expires:
        yield f"A refresh token works for {lasting(rule.refresh_expires)}."
    if rule.refresh_ahead:
        often = _at_least(longest_ahead(rule))
        yield f"Connections that nobody uses are refreshed {often}, so that the refresh token doesn't expire."


def _at_least(period: timedelta) -> str:
    """In whole days, unless it is shorter."""
    if period.days == 1:
        return "at least once a day"
    return f"at least every {period.days} days" if period.days else f"within {lasting(int(period.total_seconds()))}"


def _replaced(rule: Token) -> str:
    then = "might end all tokens that came from it" if rule.reuse == "revokes" else "would refuse it"
    if rule.refresh_grace:
        return f"The one before works for {lasting(rule.refresh_grace)} more; after that, the provider {then}."
    return f"Tendon never sends a replaced one, because the provider {then}."


def _revocation(rule: Revoke | None) -> str:
    if rule is None:
        return (
            "No way to tell the provider is known. Tendon erases its tokens, and users can end the access in the"
            " provider's own settings."
        )
    ends = f"This {_ENDS[rule.ends]}."
    if rule.adapter:
        adapter = code(f"providers/adapters/{rule.adapter}.py")
        return f"{code(rule.url)}, with what the adapter {adapter} sends. {ends}"
    client, token = _CLIENT[rule.auth], [f"{_TOKENS[rule.token]} in the form"] if rule.token else []
    if token and rule.auth in ("client_secret_post", "private_key_jwt", "none"):
        client = [text.replace(" in the form", "") for text in client]
    sent = [*client, *token, *parameters(rule.params), *header_fields(rule.headers)]
    return f"{code(f'{rule.method} {rule.url}')}{_with(sent)}. {ends}"


def _with(parts: Sequence[str]) -> str:
    return f", with {listed(parts)}" if parts else ""
