"""What a callback carries, and the checks of it before anything is looked up or spent."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from resolvers import inputs
from resolvers.context import Context, Registration
from resolvers.errors import ValidationError

log = structlog.get_logger("tendon")


@dataclass(frozen=True, slots=True)
class Callback:
    """What the provider sent the user back with (RFC 6749 4.1.2), as the front end passes it on.

    `iss` is RFC 9207's, `scope` the granted scope that some providers put there, `error` what stands there in place
    of a code when the user or the provider said no (RFC 6749 4.1.2.1); `code` may be empty then.
    """

    provider: str
    code: str
    state: str
    redirect_uri: str
    iss: str | None = None
    scope: str | None = None
    error: str | None = None

    @property
    def answer(self) -> str:
        """What the state is spent on. A repeated callback has to have the same."""
        return f"error:{self.error}" if self.error else f"code:{self.code}"


def check(context: Context, callback: Callback) -> Registration:
    """Our client at the callback's provider. Raises ValidationError, which names the member, and ProviderNotFound."""
    inputs.text("provider", callback.provider, inputs.SLUG)
    if callback.error:
        inputs.text("error", callback.error, inputs.ERROR)
        inputs.optional_text("code", callback.code, inputs.CODE)
    else:
        inputs.text("code", callback.code, inputs.CODE)
    inputs.text("state", callback.state, inputs.STATE)
    inputs.redirect_uri(callback.redirect_uri)
    inputs.optional_text("iss", callback.iss or "", inputs.ISSUER)
    inputs.optional_text("scope", callback.scope or "", inputs.SCOPE)
    registration = context.resources.registration(callback.provider)
    expected = registration.provider.authorize.iss
    # RFC 9207 2.4: by exact comparison, so that a mix-up reaches no token endpoint.
    if expected is not None and callback.iss != expected:
        # A mix-up, a front end that leaves it out, or a catalogue that has it wrong: then it happens to everybody.
        log.warning("issuer.refused", provider=callback.provider, given=callback.iss is not None)
        raise ValidationError("iss must be the issuer that this provider sends.")
    return registration
