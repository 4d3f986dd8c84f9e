"""How the control API reads, checks and answers requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from sandbox import responses
from sandbox.same_site import cross_site
from sandbox.settings import what_is_wrong

_Body = TypeVar("_Body", bound=BaseModel)


class ControlError(ValueError):
    """What is wrong with a request: the name of a member, and what it must be."""

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(f"{name} {rule}")


async def body(request: Request) -> bytes:
    return await request.body()


async def query(request: Request) -> Mapping[str, str]:
    return request.query_params


def endpoint(
    act: Callable[[Any], Any], read: Callable[[Request], Awaitable[Any]] = body
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that responds with the result of `act` as JSON, with 204 if it is None, and with 400 for a
    ControlError or a ValidationError."""

    async def respond(request: Request) -> Response:
        if error := _refused(request):
            return error
        try:
            result = act(await read(request))
        except ValidationError as error:
            return _invalid(what_is_wrong(error))
        except ControlError as error:
            return _invalid(str(error))
        return responses.empty() if result is None else responses.document(result)

    return respond


def parse(model: type[_Body], raw: bytes) -> _Body:
    """Raises pydantic.ValidationError."""
    return model.model_validate_json(raw)


def known(name: str, value: str | None, choices: Container[str]) -> str:
    if value is None or value not in choices:
        raise ControlError(name, "is unknown")
    return value


def filters(given: Mapping[str, str], allowed: Container[str]) -> dict[str, str]:
    for name in given:
        if name not in allowed:
            raise ControlError(name, "is not a filter")
    return dict(given)


def _refused(request: Request) -> Response | None:
    """An error response if the request could come from a web page of another site; None if it could not. HTML forms
    send no JSON."""
    if found := cross_site(request):
        return responses.document({"error": f"forbidden_{found}"}, 403)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method in ("POST", "PUT") and media_type != "application/json":
        return responses.document({"error": "send application/json"}, 415)
    return None


def _invalid(description: str) -> Response:
    return responses.document({"error": "invalid_request", "error_description": description}, 400)
