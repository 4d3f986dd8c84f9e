"""How requests are read and problems written: every bound is allowed exactly and refused at one more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resolvers.errors import (
    Forbidden,
    InsufficientScope,
    InvalidToken,
    Problem,
    QueriesOnly,
    RateLimited,
    ServiceUnavailable,
    Unauthenticated,
    ValidationError,
)
from rest import json_http
from rest.json_http import (
    BODY_LIMIT,
    JSON_TYPE,
    STATUS,
    MethodNotAllowed,
    PayloadTooLarge,
    Response,
    UnsupportedMediaType,
    answer,
    encode,
    from_body,
    from_query,
    json_object,
    object_of,
    problem_answer,
    problem_headers,
    query_parameters,
)
from tests.rest.requests import JSON, Sent, request


async def refusal(body: bytes | Sent, limit: int = BODY_LIMIT, headers: dict[str, str] | None = None) -> Problem:
    with pytest.raises(Problem) as raised:
        await json_object(request(body, headers=JSON | (headers or {})), limit)
    return raised.value


def sized(size: int, *, blanks: int = 0) -> bytes:
    return b'{"a": "' + b"x" * (size - 9) + b'"}' + b" " * blanks


async def test_a_body_of_the_largest_size_is_read() -> None:
    assert BODY_LIMIT == 64 * 1024
    for body in (sized(BODY_LIMIT), sized(100, blanks=BODY_LIMIT - 100)):
        assert (await json_object(request(body))).keys() == {"a"}
    for body in (sized(BODY_LIMIT + 1), sized(100, blanks=BODY_LIMIT - 99)):
        assert isinstance(await refusal(body), PayloadTooLarge)


async def test_a_lower_limit_does_not_count_white_space_around_the_body() -> None:
    for body in (sized(500), sized(500, blanks=1000), b" \n" * 500 + sized(500, blanks=100)):
        assert (await json_object(request(body), 500)).keys() == {"a"}
    for body in (sized(501), sized(501, blanks=1000), b" " * 500 + sized(501)):
        assert isinstance(await refusal(body, 500), PayloadTooLarge)
    assert isinstance(await refusal(sized(100, blanks=BODY_LIMIT), 500), PayloadTooLarge)


async def test_a_declared_length_that_is_too_large_is_refused_before_anything_is_read() -> None:
    sent = Sent([sized(100)])
    assert isinstance(await refusal(sent, headers={"Content-Length": str(BODY_LIMIT + 1)}), PayloadTooLarge)
    assert sent.read == 0
    for declared in (str(BODY_LIMIT), "100", "-1", "x", ""):
        assert await json_object(request(sized(100), headers=JSON | {"Content-Length": declared}))


async def test_reading_ends_where_a_body_becomes_too_large() -> None:
    sent = Sent([b" " * 1024] * 100)
    assert isinstance(await refusal(sent), PayloadTooLarge)
    assert sent.read == 65
    parts = Sent([b'{"a":', b' "x"', b"}"])
    assert await json_object(request(parts)) == {"a": "x"}


async def test_a_body_that_ends_early_is_not_taken_for_a_whole_one() -> None:
    early = await refusal(Sent([b'{"a": 1}'], whole=False))
    assert (early.code, early.message) == ("VALIDATION_ERROR", "The body ended early.")


async def test_the_media_type_and_the_encoding_come_before_the_body() -> None:
    for headers, message in (
        ({"Content-Type": "text/plain"}, "Send the body as application/json in UTF-8."),
        ({"Content-Encoding": "gzip"}, "Send the body without a content encoding."),
    ):
        sent = Sent([b" " * 1024] * 100)
        problem = await refusal(sent, headers=headers)
        assert isinstance(problem, UnsupportedMediaType)
        assert (problem.message, sent.read) == (message, 0)
    with pytest.raises(UnsupportedMediaType):
        await json_object(request(b"{}", headers={}))
    assert await json_object(request(b"{}", headers=JSON | {"Content-Encoding": "identity"})) == {}


def test_a_content_encoding_that_is_too_long() -> None:
    assert json_http._is_identity("identity".ljust(512, ","))
    assert not json_http._is_identity("identity".ljust(513, ","))


def told(data: bytes) -> str:
    with pytest.raises(ValidationError) as raised:
        object_of(data, "The body")
    return raised.value.message


def test_a_json_text_may_have_so_many_values() -> None:
    """Counted by commas and opening brackets, wherever they are."""
    assert object_of(b'{"a": [%s]}' % b",".join([b"1"] * 2001), "The body")
    assert told(b'{"a": [%s]}' % b",".join([b"1"] * 2002)) == "The body has too many members and items."
    flat = b'{"a": "%s"}'
    assert object_of(flat % (b"[" * 1000 + b"{" * 999), "The body")
    for brackets in (b"[" * 2000, b"{" * 2000, b"[{" * 1000):
        assert told(flat % brackets) == "The body is nested too deeply."


def test_what_is_wrong_with_a_json_text_is_said() -> None:
    assert told(b"[]") == "The body must be a JSON object."
    for data in (b"", b"{", b'{"a": 1, "a": 2}', b"\xff", b'{"a": NaN}'):
        message = told(data)
        assert message.startswith("The body ")
        assert message.endswith(".")
        assert message != "The body must be a JSON object."
    assert object_of(b' {"a": {"b": [1, null]}} ', "x") == {"a": {"b": [1, None]}}


def test_the_parameters_of_a_query() -> None:
    def read(query: str) -> dict[str, str]:
        return query_parameters(request(query=query))

    assert read("") == {}
    assert read("a=1&b=%26&c=&d") == {"a": "1", "b": "&", "c": "", "d": ""}
    assert read("a=%C3%A4%EF%BF%BD+%F0%9F%98%80") == {"a": "\u00e4\ufffd \U0001f600"}
    hundred = "&".join(f"a{number}=x" for number in range(100))
    assert len(read(hundred)) == 100
    for query, message in (
        (f"{hundred}&b=x", "There are too many query parameters."),
        ("&" * 100, "There are too many query parameters."),
        ("a=1&b=2&a=1", "A query parameter is given more than once."),
        ("a=%ff", "A query parameter is not encoded in UTF-8."),
        ("%C3=a", "A query parameter is not encoded in UTF-8."),
        # A surrogate.
        ("a=x&b=%ED%A0%80", "A query parameter is not encoded in UTF-8."),
    ):
        with pytest.raises(ValidationError, match=message):
            read(query)
    assert read("&" * 99) == {}


async def test_the_variables_of_a_route_with_a_body() -> None:
    """Members that the operation does not have are left out, and the path wins."""
    body = request(b'{"a": 1, "b": 2, "c": 3}', path_params={"b": "path", "d": "path", "e": "path"})
    assert await from_body(body, {"a", "b", "d"}) == {"input": {"a": 1, "b": "path", "d": "path"}}
    assert await from_body(request(b"{}"), {"a"}) == {"input": {}}


async def test_the_variables_of_a_route_without_a_body() -> None:
    query = request(query="a=1&b=2&c=3", path_params={"b": "path", "d": "path", "e": "path"})
    assert await from_query(query, {"a", "b", "d"}) == {"a": "1", "b": "path", "d": "path"}
    assert await from_query(request(), {"a"}) == {}


BEARER = 'Bearer realm="tendon"'
HEADERS: list[tuple[Problem, dict[str, str]]] = [
    (Unauthenticated(), {"WWW-Authenticate": BEARER}),
    (InvalidToken(), {"WWW-Authenticate": f'{BEARER}, error="invalid_token"'}),
    (
        InsufficientScope("connections:read"),
        {"WWW-Authenticate": f'{BEARER}, error="insufficient_scope", scope="connections:read"'},
    ),
    (QueriesOnly(), {"Allow": "POST"}),
    (MethodNotAllowed("GET, HEAD"), {"Allow": "GET, HEAD"}),
    (RateLimited(retry_after=7), {"Retry-After": "7"}),
    (ServiceUnavailable("Later.", retry_after=0), {"Retry-After": "0"}),
    (ServiceUnavailable("Never.", retry_after=None), {}),
    (Forbidden(), {}),
    (ValidationError(), {}),
]


@pytest.mark.parametrize(("problem", "headers"), HEADERS, ids=[type(problem).__name__ for problem, _ in HEADERS])
def test_the_headers_of_a_problem(problem: Problem, headers: dict[str, str]) -> None:
    fields = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    assert problem_headers(problem) == fields
    response = problem_answer(problem)
    assert response.status == STATUS[problem.code]
    assert json.loads(response.body) == {"error": problem.code.lower(), "message": problem.message}
    assert response.headers == (JSON_TYPE, *fields)


def test_how_values_are_written() -> None:
    value: Any = {"a": ["é", 1, None, True], "b": "\N{GRINNING FACE}\u2028"}
    assert encode(value) == '{"a":["é",1,null,true],"b":"\N{GRINNING FACE}\u2028"}'.encode()
    response = answer({"a": 1})
    assert response == Response(200, b'{"a":1}', ((b"content-type", b"application/json"),))
    assert answer({}, 201).status == 201
