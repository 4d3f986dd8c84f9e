"""An error answer of the provider, as RFC 6749 4.1.2.1 and 5.2 write it."""

from __future__ import annotations


class Refusal(Exception):
    """`error` is the RFC's code, `challenge` the WWW-Authenticate header of a 401."""

    def __init__(self, error: str, description: str, *, status: int = 400, challenge: str | None = None) -> None:
        self.error = error
        self.description = description
        self.status = status
        self.challenge = challenge
        super().__init__(error)

    @property
    def document(self) -> dict[str, str]:
        return {"error": self.error, "error_description": self.description}
