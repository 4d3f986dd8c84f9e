"""A client that keeps what it sent and what was answered, for the author to look at."""

from __future__ import annotations

import json
import math
from typing import Any, cast
from urllib.parse import parse_qsl

import msgspec

from wire.http.addresses import PublicAddresses, unscreened
from wire.http.client import MAX_BODY, Client, Request
from wire.http.response import Response
from wire.strict_json import read_answer


class Exchanged(msgspec.Struct, frozen=True):
    """A request, and its answer if one came."""

    request: Request
    response: Response | None

    def __repr__(self) -> str:
        return "Exchanged()"

    @property
    def document(self) -> Any:
        """The body of the answer as JSON; None if there is none, or Tendon can't read it as JSON either."""
        try:
            if self.response is None:
                return None
            # It may be nested too deeply to look at.
            read_answer(self.response.content)
            return json.loads(self.response.content)
        except (ValueError, RecursionError):
            return None

    @property
    def sent(self) -> SentRequest:
        return _read(self.request.content)


class SentRequest(msgspec.Struct, frozen=True):
    """Whatever a request consisted of. It contains secrets. `form` has the members of a JSON document, too."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    form: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        return "SentRequest()"


class TracingClient(Client):
    """`exchanged` has all requests in their order."""

    def __init__(self, *, allow_private: bool) -> None:
        resolve = unscreened if allow_private else PublicAddresses()
        super().__init__(resolve, None, https_only=not allow_private)
        self.exchanged: list[Exchanged] = []

    async def send(
        self,
        request: Request,
        *,
        deadline: float,
        latest: float = math.inf,
        max_body: int = MAX_BODY,
        retry_refused: bool = False,
    ) -> Response:
        position = len(self.exchanged)
        self.exchanged.append(Exchanged(request, None))
        response = await super().send(
            request, deadline=deadline, latest=latest, max_body=max_body, retry_refused=retry_refused
        )
        self.exchanged[position] = Exchanged(request, response)
        return response


def _read(content: bytes) -> SentRequest:
    head, _, body = content.decode("ascii").partition("\r\n\r\n")
    first, *fields = head.split("\r\n")
    method, target, _version = first.split(" ")
    headers = tuple(cast("tuple[str, str]", tuple(field.split(": ", 1))) for field in fields)
    if ("Content-Type", "application/json") in headers:
        members = cast("dict[str, Any]", json.loads(body)).items()
        return SentRequest(method, target, headers, tuple((name, str(value)) for name, value in members))
    return SentRequest(method, target, headers, tuple(parse_qsl(body, keep_blank_values=True)))
