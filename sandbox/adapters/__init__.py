"""The provider's side of what an entry leaves to an adapter: one file for each, with the adapter's name.

Such a file has `ENDPOINTS`: the endpoints that it plays, by the last part of their path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from starlette.responses import Response

from sandbox.dialect import DialectError
from sandbox.endpoint_request import EndpointRequest


@dataclass(frozen=True, slots=True)
class AdapterEndpoint:
    """An endpoint that takes requests with this `method`."""

    method: str
    respond: Callable[[EndpointRequest], Response]


def endpoints(adapter: str) -> Mapping[str, AdapterEndpoint]:
    """Those of an adapter. Raises DialectError if there is no such file."""
    module = f"{__name__}.{adapter}"
    if not adapter.isidentifier() or find_spec(module) is None:
        raise DialectError("adapter", "has no file in sandbox/adapters")
    return import_module(module).ENDPOINTS
