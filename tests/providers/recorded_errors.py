"""Error answers that vendors are known to send, and all their answers to revocations: their structure, with made-up
values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wire.http.response import Response

ERRORS = Path(__file__).with_name("errors")


@dataclass(frozen=True)
class RecordedError:
    """An answer to a `request`: exchange, refresh or revoke. `meaning` is a `Meaning`, `wait` whole seconds or None.

    An answer to a revocation may have an `outcome` in place of a meaning, and then is no error.
    """

    name: str
    status: int
    body: Any
    meaning: str | None = None
    outcome: str | None = None
    request: str = "exchange"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    wait: int | None = None

    @property
    def content(self) -> bytes:
        return b"" if self.body is None else json.dumps(self.body).encode()

    @property
    def response(self) -> Response:
        headers = [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]
        return Response(self.status, self.content, headers=headers)


def recorded(slug: str) -> list[RecordedError]:
    return [RecordedError(**row) for row in json.loads((ERRORS / f"{slug}.json").read_text("utf-8"))]


def recorded_slugs() -> set[str]:
    return {file.stem for file in ERRORS.iterdir()}
