"""What all endpoints need of RFC 6749: form-encoded parameters, and errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import parse_qsl


class OAuthError(Exception):
    """An error response (RFC 6749 4.1.2.1 and 5.2). `challenge` is the WWW-Authenticate header of a 401."""

    def __init__(self, error: str, description: str, *, status: int = 400, challenge: str | None = None) -> None:
        self.error = error
        self.description = description
        self.status = status
        self.challenge = challenge
        super().__init__(error)

    @property
    def document(self) -> dict[str, str]:
        return {"error": self.error, "error_description": self.description}


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a query or a form (RFC 6749 3.1, 3.2).

    `values` are by name. `malformed` is the reason why they must not be used, or None.
    """

    values: dict[str, str] = field(default_factory=dict[str, str])
    malformed: str | None = None

    @classmethod
    def read(cls, encoded: bytes) -> Parameters:
        """Parameters without a value count as absent, and none may appear twice."""
        try:
            pairs = parse_qsl(encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
        except ValueError:
            return cls(malformed="the parameters are not form-encoded UTF-8")
        values = {name: value for name, value in pairs if value}
        repeated = len({name for name, _ in pairs}) != len(pairs)
        return cls(values, "a parameter is repeated" if repeated else None)

    def get(self, name: str) -> str | None:
        return self.values.get(name)


def invalid_grant(description: str) -> NoReturn:
    """Raises the error for a code or a refresh token that can't be used."""
    raise OAuthError("invalid_grant", description)
