"""What the entry says about the provider's API and its webhooks, as a list of names and texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from providers.entry.api_facts import Limit, Paging, Webhooks
from providers.entry.provider import Provider
from scripts.provider_docs.words import code, header_fields, lasting, listed, prose

_STYLES: Final = {
    "cursor": "They are read by a cursor in the parameter {}.",
    "page": "They are read by the number of the page in the parameter {}.",
    "offset": "They are read by an offset in the parameter {}.",
    "link": "Each answer has a link to the next page.",
    "window": "They are read by dates, without pages.",
    "push": "There is nothing to read: the provider sends the data.",
    "none": "They have no pages.",
}
_SIGNATURES: Final = {
    "hmac_sha256": "HMAC-SHA-256",
    "hmac_sha1": "HMAC-SHA-1",
    "sha1": "SHA-1",
}
_ENCODINGS: Final = {"base64": "base64", "hex": "lower-case hexadecimal", "hex_upper": "upper-case hexadecimal"}
_KEYS: Final = {
    "client_secret": "the client secret",
    "client_secret_ampersand": "the client secret and `&`",
    "webhook_secret": "a secret of the webhook",
}
_SIGNED: Final = {
    "body": "the body",
    "timestamp_body": "the timestamp and the body",
    "body_key": "the body",
}


def api(entry: Provider) -> Iterator[tuple[str, str]]:
    """Nothing if the entry says nothing."""
    if entry.api:
        headers = header_fields(entry.api.headers)
        besides = f" Requests need {listed(headers)}, which services get with each access token." if headers else ""
        yield "Base URL", f"{code(entry.api.base)}.{besides}"
        if entry.api.paging:
            yield "Lists", " ".join(_paging(entry.api.paging))
        if entry.api.limits:
            yield "Limits", f"{listed(map(_limit, entry.api.limits))}."
    if entry.webhooks:
        yield "Webhooks", " ".join(_webhooks(entry.webhooks))


def _paging(rule: Paging) -> Iterator[str]:
    yield _STYLES[rule.style].format(code(rule.parameter or ""))
    if rule.next:
        what = "has the next cursor" if rule.style == "cursor" else "says whether there is more"
        yield f"{code(rule.next)} in an answer {what}."
    if rule.size or rule.most:
        named = f"The parameter {code(rule.size)} is the size of a page" if rule.size else "Pages have a size"
        yield f"{named}{f', {rule.most:,} at most' if rule.most else ''}."
    if rule.days:
        what = "A request for older data" if rule.style == "push" else "A request"
        yield f"{what} covers {rule.days:,} day{'' if rule.days == 1 else 's'} at most."


def _limit(rule: Limit) -> str:
    reset = f" ({code(rule.reset)} says when more are allowed)" if rule.reset else ""
    period = lasting(rule.seconds).removeprefix("1 ").removeprefix("a ")
    return f"{rule.requests:,} requests per {period} and {rule.per}{reset}"


def _webhooks(rule: Webhooks) -> Iterator[str]:
    if rule.signature == "none":
        yield "They are not signed."
    elif rule.signature == "header":
        yield f"They have a fixed value in the header field {code(rule.header or '')}."
    else:
        yield f"The header field {code(rule.header or '')} has the {_signature(rule)}."
    if rule.timestamp:
        yield f"The timestamp is in {code(rule.timestamp)}."
    if rule.account:
        yield f"The user's id is in {code(rule.account)} of the body."
    if rule.challenge:
        yield prose(rule.challenge)


def _signature(rule: Webhooks) -> str:
    signed = f" of {_SIGNED[rule.signed]}" if rule.signed else ""
    key = _KEYS[rule.key] if rule.key else ""
    if key:
        key = f" and {key}" if rule.signed == "body_key" else f" with {key} as the key"
    encoding = f", in {_ENCODINGS[rule.encoding]}" if rule.encoding else ""
    return f"{_SIGNATURES[rule.signature]}{signed}{key}{encoding}"
