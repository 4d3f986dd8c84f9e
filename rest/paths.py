"""Paths with parameters, such as `/v1/connections/{connectionId}`."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from starlette.types import Scope


class PathTemplate:
    """A path with parameters, each of which is a whole segment and never empty."""

    def __init__(self, path: str) -> None:
        self.path: Final = path
        self._segments = path.split("/")

    def match(self, scope: Scope) -> dict[str, str] | None:
        """The parameters by name, if the path of the request matches.

        The path is split before it is decoded, and decoded once, so an encoded slash belongs to a parameter.
        """
        given = scope["raw_path"].decode("ascii", "replace").split("/")
        if len(given) != len(self._segments):
            return None
        parameters: dict[str, str] = {}
        for segment, value in zip(self._segments, map(unquote, given), strict=True):
            if segment.startswith("{") and value:
                parameters[segment[1:-1]] = value
            elif segment != value:
                return None
        return parameters
