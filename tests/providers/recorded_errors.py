"""Error answers that vendors are known to send: their structure, with made-up values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ERRORS = Path(__file__).with_name("errors")


@dataclass(frozen=True)
class RecordedError:
    """`meaning` is a `Meaning`, `wait` whole seconds or None."""

    name: str
    status: int
    body: Any
    meaning: str
    headers: dict[str, str] = field(default_factory=dict[str, str])
    wait: int | None = None

    @property
    def content(self) -> bytes:
        return json.dumps(self.body).encode()


def recorded(slug: str) -> list[RecordedError]:
    return [RecordedError(**row) for row in json.loads((ERRORS / f"{slug}.json").read_text("utf-8"))]


def recorded_slugs() -> set[str]:
    return {file.stem for file in ERRORS.iterdir()}
