"""The token endpoint of an entry, and how its answers are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal

from providers.entry.error_rule import ErrorRule, Success
from providers.entry.headers import read_headers
from providers.entry.urls import Endpoint
from providers.entry.values import NO_PARAMS, DottedPath, EntryTable, form, list_of, params_without, whole_number
from wire.tables import read_table

DAY: Final = 24 * 60 * 60
MONTH: Final = 31 * DAY
CENTURY: Final = 36_525 * DAY

ClientAuth = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
AssertionAlgorithm = Literal["RS256", "RS384", "RS512", "ES256", "ES384"]

ABOUT_US: Final = ("client_id", "client_secret", "client_assertion", "client_assertion_type")
"""The parameters that say which client it is (RFC 6749 2.3.1, RFC 7521 4.2)."""

read_error_rules: Final = list_of(partial(read_table, ErrorRule))


class Token(EntryTable, frozen=True, kw_only=True):
    """The token endpoint (RFC 6749 3.2) and its answer.

    With `private_key_jwt`, a key of ours signs who we are by `algorithm`, and there is no client secret.

    `root` is the path to the object with the tokens, `account` the path in that object to the provider's own user id.
    `refresh` says what happens to the refresh token when it is used: it is replaced (`rotating`), stays valid
    (`reusable`), stays valid for longer (`extending`), or there is none. A replaced one stays valid for
    `refresh_grace` seconds; afterwards its use is `refused`, or `revokes` all tokens of the grant (RFC 9700 4.14.2).

    `scope_prefix` is what precedes each granted scope in the provider's answers, but not in our requests.

    `account_claim` is a claim of the answer's id_token (OpenID Connect Core 2) that has the user id.

    `extended` says how an answer without tokens shows that it extended those that there are.

    An access token with less than `margin` seconds left is refreshed. `refresh_ahead` says that refresh tokens expire
    unless they are used, and `refresh_expires` after how many seconds. After `quiet` seconds, the provider no longer
    handles a request whose answer didn't come.
    """

    url: Endpoint
    refresh_url: Endpoint | None = None
    headers: Annotated[Mapping[str, str], read_headers] = NO_PARAMS
    auth: ClientAuth = "client_secret_basic"
    algorithm: AssertionAlgorithm | None = None
    params: Annotated[
        Mapping[str, str],
        params_without("grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", *ABOUT_US),
    ] = NO_PARAMS
    root: DottedPath | None = None
    scope_prefix: Annotated[str, form(r"[!-~]+", "printable ASCII characters without a space", 100)] = ""
    success: Success | None = None
    errors: Annotated[tuple[ErrorRule, ...], read_error_rules] = ()
    expires: Literal["expires_in", "expires_at", "jwt", "never"] = "expires_in"
    refresh: Literal["rotating", "reusable", "extending", "none"] = "rotating"
    refresh_params: Annotated[Mapping[str, str], params_without("grant_type", "refresh_token", *ABOUT_US)] = NO_PARAMS
    refresh_grace: Annotated[int, whole_number(0, MONTH)] = 0
    reuse: Literal["refused", "revokes"] = "revokes"
    extended: Success | None = None
    refresh_ahead: bool = False
    refresh_expires: Annotated[int, whole_number(1, CENTURY)] | None = None
    margin: Annotated[int, whole_number(1, DAY)] = 60
    quiet: Annotated[int, whole_number(1, DAY)] = 60
    account: DottedPath | None = None
    account_claim: DottedPath | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        auth = known.get("auth")
        if auth == "private_key_jwt" and known.get("algorithm", "invalid") is None:
            yield "algorithm", "is missing: private_key_jwt needs the algorithm of the signature"
        if auth not in ("private_key_jwt", None) and "algorithm" in given:
            yield "algorithm", "is only for auth = 'private_key_jwt': nothing else is signed"
        refresh = known.get("refresh")
        if refresh not in ("rotating", None):
            for name in ("refresh_grace", "reuse"):
                if name in given:
                    yield name, "is only for refresh = 'rotating': no other refresh token is replaced"
        if refresh not in ("extending", None) and "extended" in given:
            yield "extended", "is only for refresh = 'extending': any other refresh is answered by an access token"
        extended: Success | None = given.get("extended")
        if extended is not None and extended.absent:
            yield "extended", "must have equals: an answer that only lacks something extends no tokens"
        for name in ("refresh_ahead", "refresh_params", "refresh_expires"):
            if refresh == "none" and given.get(name):
                yield name, "can't go with refresh = 'none'"

    @property
    def replaces_refresh_tokens(self) -> bool:
        """Whether a refresh token can be used once only, apart from `refresh_grace`."""
        return self.refresh == "rotating"

    def quiet_for_refresh(self, since_first_sent: float = 0) -> int:
        """The seconds to wait before a refresh token is sent again, after a refresh whose outcome is unknown.

        None are needed if the same token may be used twice: always, or because it was first sent `since_first_sent`
        seconds ago, which is within its grace. Otherwise the provider might handle both requests, and take the later
        one for the use of a stolen token.
        """
        is_safe = not self.replaces_refresh_tokens or since_first_sent < self.refresh_grace
        return 0 if is_safe else self.quiet
