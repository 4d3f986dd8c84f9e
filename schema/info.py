"""What the resolvers of the schema may know of a request."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Protocol

import strawberry

from resolvers.context import Context

__all__ = ["Info", "selected"]

if TYPE_CHECKING:

    class Info(Protocol):
        """What resolvers may know of a request. A compiled plan has nothing else to pass (`plans/fields.py`)."""

        @property
        def context(self) -> Context: ...

else:
    # Strawberry recognizes the parameter by its own type.
    Info = strawberry.Info[Context, None]


def selected(info: Any) -> AbstractSet[str] | None:
    """The names of the fields that the operation selects of the root field's value. None if that is not known: only
    compiled plans say it."""
    return getattr(info, "selected", None)
