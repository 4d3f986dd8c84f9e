"""What a JWT says (RFC 7519) that came from a token endpoint itself. The signature is not verified, so it says no more
than any other member of the answer."""

from __future__ import annotations

import base64
import binascii

from wire.strict_json import UnfitError, read_object


def unverified_payload(jwt: str, name: str) -> dict[str, object]:
    """The claims. Raises UnfitError, which says that `name` is not a JWT."""
    try:
        _header, payload, _signature = jwt.split(".")
        decoded = base64.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise UnfitError(f"{name} is not a JWT") from None
    return read_object(decoded)
