"""What the resolvers of the schema may know of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import strawberry

from resolvers.context import Context

__all__ = ["Info"]

if TYPE_CHECKING:

    class Info(Protocol):
        """What resolvers may know of a request. A compiled plan has nothing else to pass (`plans/fields.py`)."""

        @property
        def context(self) -> Context: ...

else:
    # Strawberry recognizes the parameter by its own type.
    Info = strawberry.Info[Context, None]
