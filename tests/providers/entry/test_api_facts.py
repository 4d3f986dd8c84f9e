"""Facts about APIs, which are checked for their form: paging, limits and webhooks."""

from __future__ import annotations

import pytest

from tests.providers.entry.reading import problems, read, table

BASE = "base = 'https://api.acme.example'"


def paging(lines: str) -> str:
    return table("api", f"{BASE}\n[api.paging]\n{lines}")


def limit(lines: str) -> str:
    return table("api", f"{BASE}\n[[api.limits]]\n{lines}")


def webhooks(lines: str) -> str:
    return table("webhooks", lines)


SIGNED = "signature = 'hmac_sha256'\nheader = 'X-Signature'\n"


@pytest.mark.parametrize(
    "text",
    [
        paging("style = 'cursor'\nparameter = 'next'\nnext = 'meta.0.next'\nsize = 'limit'\nmost = 25\ndays = 30"),
        paging("style = 'page'\nparameter = 'page[number]'"),
        paging("style = 'offset'\nparameter = 'offset'\nmost = 1000000\ndays = 3660"),
        paging("style = 'link'\nnext = 'link'"),
        paging("style = 'window'\ndays = 1\nmost = 1"),
        paging("style = 'push'\ndays = 90"),
        paging("style = 'none'"),
        limit("requests = 1\nseconds = 1"),
        limit("requests = 100000000\nseconds = 2678400\nper = 'user'\nreset = 'X-RateLimit-Reset'"),
        limit("requests = 1\nseconds = 1\n[[api.limits]]\nrequests = 2\nseconds = 2"),
        webhooks("signature = 'none'\nchallenge = 'HEAD'\naccount = 'user.0.id'"),
        webhooks("signature = 'header'\nheader = 'Authorization'"),
        *(webhooks(SIGNED.replace("hmac_sha256", name)) for name in ("hmac_sha1", "sha1")),
        webhooks(SIGNED + "encoding = 'hex_upper'\nkey = 'webhook_secret'\nsigned = 'body_key'\ntimestamp = 'X-Time'"),
    ],
)
def test_what_is_accepted(text: str) -> None:
    assert read(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (paging(""), "api.paging.style: is missing"),
        (paging("style = 'token'"), "api.paging.style: must be one of "),
        (paging("style = 'token'\nsize = 'a'"), "api.paging.style: must be one of "),
        *(
            (paging(f"style = '{style}'"), f"api.paging.parameter: is missing: style = '{style}' needs it")
            for style in ("cursor", "page", "offset")
        ),
        *(
            (paging(f"style = '{style}'\n{key} = {value}"), f"api.paging.{key}: can't go with style = '{style}'")
            for style in ("push", "none")
            for key, value in (("parameter", "'a'"), ("next", "'a'"), ("size", "'a'"), ("most", 1))
        ),
        (paging("style = 'page'\nparameter = 'a b'"), "api.paging.parameter: must be the name of a parameter"),
        (paging("style = 'page'\nparameter = ''"), "api.paging.parameter: must be the name of a parameter"),
        (paging(f"style = 'link'\nsize = '{'a' * 101}'"), "api.paging.size: must have 100 characters at most"),
        (paging("style = 'link'\nnext = 'a..b'"), "api.paging.next: must be names separated by dots"),
        (paging("style = 'link'\nmost = 0"), "api.paging.most: must be at least 1"),
        (paging("style = 'link'\nmost = 1000001"), "api.paging.most: must be at most 1000000"),
        (paging("style = 'link'\ndays = 0"), "api.paging.days: must be at least 1"),
        (paging("style = 'link'\ndays = 3661"), "api.paging.days: must be at most 3660"),
        (limit("seconds = 1"), "api.limits.0.requests: is missing"),
        (limit("requests = 1"), "api.limits.0.seconds: is missing"),
        (limit("requests = 0\nseconds = 1"), "api.limits.0.requests: must be at least 1"),
        (limit("requests = 1\nseconds = 2678401"), "api.limits.0.seconds: must be at most 2678400"),
        (limit("requests = 1\nseconds = 1\nper = 'token'"), "api.limits.0.per: must be one of 'app' or 'user'"),
        (limit("requests = 1\nseconds = 1\nreset = 'a b'"), "api.limits.0.reset: must be the name of a header field"),
        (table("api", f"{BASE}\n[api.limits]\nrequests = 1"), "api.limits: must be a list"),
        (webhooks(""), "webhooks.signature: is missing"),
        (webhooks("signature = 'rsa'"), "webhooks.signature: must be one of "),
        (webhooks("signature = 'rsa'\nkey = 'client_secret'"), "webhooks.signature: must be one of "),
        *(
            (webhooks(f"signature = '{name}'"), f"webhooks.header: is missing: signature = '{name}' needs it")
            for name in ("hmac_sha256", "hmac_sha1", "sha1", "header")
        ),
        *(
            (
                webhooks(f"signature = '{name}'\nheader = 'X'\n{key} = '{value}'"),
                f"webhooks.{key}: can't go with signature = '{name}'",
            )
            for name in ("none", "header")
            for key, value in (
                ("encoding", "hex"),
                ("key", "client_secret"),
                ("signed", "body"),
                ("timestamp", "X-Time"),
            )
        ),
        (webhooks(SIGNED.replace("X-Signature", "X:")), "webhooks.header: must be the name of a header field"),
        (webhooks(SIGNED + "encoding = 'base32'"), "webhooks.encoding: must be one of 'base64', 'hex' or 'hex_upper'"),
        (webhooks(SIGNED + "key = 'secret'"), "webhooks.key: must be one of "),
        (webhooks(SIGNED + "signed = 'url'"), "webhooks.signed: must be one of 'body', 'timestamp_body' or 'body_key'"),
        (webhooks(SIGNED + "timestamp = ''"), "webhooks.timestamp: must be the name of a header field"),
        (webhooks(SIGNED + "challenge = ''"), "webhooks.challenge: must not be empty"),
        (webhooks(SIGNED + "account = ' '"), "webhooks.account: must be names separated by dots"),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    (found,) = problems(text)
    assert found.startswith(problem)
