"""What a provider's answers look like: what shows a success, and the forms of its own errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sandbox.dialect.tables import required


@dataclass(frozen=True, slots=True)
class Success:
    """How an answer with HTTP 200 shows that it is a success: it has the value `equals` at the dotted path `field`, or,
    if `absent`, nothing."""

    field: str
    equals: object = None
    absent: bool = False

    @classmethod
    def read(cls, table: Mapping[str, Any] | None) -> Success | None:
        if not table:
            return None
        return cls(required(table, "field"), table.get("equals"), table.get("absent", False))


@dataclass(frozen=True, slots=True)
class ErrorForm:
    """How the provider expresses an error: by HTTP status, by one of some values at a dotted path, or both. `wait` and
    `wait_header` name the member or header that has the number of seconds to wait."""

    meaning: str
    status: int | None
    field: str | None
    values: tuple[object, ...]
    wait: str | None
    wait_header: str | None

    @classmethod
    def read_all(cls, table: Mapping[str, Any]) -> tuple[ErrorForm, ...]:
        """The rows of `errors` in a table."""
        return tuple(cls._read(row) for row in table.get("errors", []))

    @classmethod
    def _read(cls, row: Mapping[str, Any]) -> ErrorForm:
        values = row.get("equals", row.get("starts_with", "sample"))
        values = tuple(cast("list[object]", values)) if isinstance(values, list) else (values,)
        meaning = required(row, "meaning")
        return cls(meaning, row.get("status"), row.get("field"), values, row.get("wait"), row.get("wait_header"))

    def value(self, subject: str) -> object:
        """The first value that names the subject, `code` or `refresh`, else the first of all."""
        return next((value for value in self.values if _names(value, subject)), self.values[0])

    def about(self, subject: str) -> bool:
        return any(_names(value, subject) for value in self.values)


def find_form(errors: tuple[ErrorForm, ...], meaning: str | None, subject: str) -> ErrorForm | None:
    """The form of this error, preferably one that names the subject; None if it is that of the RFCs."""
    forms = [form for form in errors if form.meaning == meaning]
    return next((form for form in forms if form.about(subject)), forms[0] if forms else None)


def _names(value: object, subject: str) -> bool:
    return isinstance(value, str) and subject in value.lower()
