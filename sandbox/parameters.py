"""Form-encoded parameters, read as RFC 6749 3.1 and 3.2 want them."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class Parameters:
    """`values` by name; `malformed` says why they must not be used, None when they may."""

    values: dict[str, str] = field(default_factory=dict[str, str])
    malformed: str | None = None

    @classmethod
    def read(cls, encoded: bytes) -> Parameters:
        """Read a query or a form body. Parameters without a value count as left out; none may come twice."""
        try:
            pairs = parse_qsl(encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
        except ValueError:
            return cls(malformed="the parameters are not form-encoded UTF-8")
        values = {name: value for name, value in pairs if value}
        repeated = len({name for name, _ in pairs}) != len(pairs)
        return cls(values, "a parameter is repeated" if repeated else None)

    def get(self, name: str) -> str | None:
        return self.values.get(name)
