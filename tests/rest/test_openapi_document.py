"""What the OpenAPI document says of each route, and which values its schemas allow."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import jsonschema_rs
import pytest

from resolvers import inputs
from rest.json_http import STATUS
from rest.json_schemas import COMPONENTS
from rest.openapi import openapi_document
from tests.rest.parameter_routes import ROWS
from wire import uri

DOCUMENT = openapi_document()
COMMON = ["400", "401", "403", "429", "500", "503"]
OPERATIONS: dict[tuple[str, str], tuple[str, str, list[str]]] = {
    ("/v1/connections/authorize", "post"): ("authorizeConnection", "200", ["404", "413", "415"]),
    ("/v1/connections/callback", "post"): ("completeConnection", "201", ["404", "413", "415"]),
    ("/v1/connections/{connectionId}/token", "post"): ("issueAccessToken", "200", ["404", "409", "413", "415"]),
    ("/v1/connections", "get"): ("listConnections", "200", []),
    ("/v1/connections/{connectionId}", "delete"): ("disconnectConnection", "200", ["404"]),
}


def test_the_document_as_a_whole() -> None:
    assert DOCUMENT.keys() == {"openapi", "info", "servers", "security", "paths", "components"}
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"].keys() == {"title", "version", "description", "license"}
    assert (DOCUMENT["info"]["title"], DOCUMENT["info"]["version"]) == ("Tendon", version("tendon"))
    assert DOCUMENT["servers"] == [{"url": "/"}]
    assert DOCUMENT["security"] == [{"bearer": []}]
    assert DOCUMENT["components"]["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}
    found = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert found == OPERATIONS.keys()


@pytest.mark.parametrize("place", OPERATIONS)
def test_an_operation(place: tuple[str, str]) -> None:
    path, method = place
    identifier, success, more = OPERATIONS[place]
    operation = DOCUMENT["paths"][path][method]
    assert operation["operationId"] == identifier
    assert operation["summary"]
    failures = sorted([*COMMON, *more])
    assert list(operation["responses"]) == [success, *failures]
    for status, response in operation["responses"].items():
        headers = response["headers"]
        assert headers["X-Request-Id"]["required"] is True
        assert headers["X-Request-Id"]["schema"] == {"type": "string", "pattern": "^[0-9a-f]{32}$"}
        assert ("Retry-After" in headers) == (status in ("429", "500", "503"))
        schema = response["content"]["application/json"]["schema"]
        if status != success:
            assert schema == {"$ref": "#/components/schemas/Error"}
            codes = [code.lower() for code, its in STATUS.items() if its == int(status)]
            assert response["description"] == ", ".join(f"`{code}`" for code in codes)
    waits = operation["responses"]["503"]["headers"]["Retry-After"]
    assert waits["schema"] == {"type": "integer", "minimum": 1}
    if method == "post":
        name = f"{identifier[0].upper()}{identifier[1:]}Input"
        schema = {"$ref": f"#/components/schemas/{name}"}
        content = {"application/json": {"schema": schema}}
        # The path may have all that an operation needs.
        assert operation["requestBody"] == {"required": "{" not in path, "content": content}
        assert ("parameters" in operation) == ("{" in path)
    else:
        assert "requestBody" not in operation


def test_the_body_of_a_success() -> None:
    def schema(path: str, method: str, status: str) -> Any:
        return DOCUMENT["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]

    assert schema("/v1/connections/authorize", "post", "200") == {"$ref": "#/components/schemas/Authorization"}
    one, many = {"$ref": "#/components/schemas/Connection"}, {"type": "array"}
    assert schema("/v1/connections/callback", "post", "201") == {
        "type": "object",
        "properties": {"connection": one},
        "required": ["connection"],
    }
    assert schema("/v1/connections", "get", "200") == {
        "type": "object",
        "properties": {"connections": many | {"items": one}},
        "required": ["connections"],
    }
    assert schema("/v1/connections/{connectionId}", "delete", "200") == {
        "type": "object",
        "properties": {"success": {"type": "boolean"}},
        "required": ["success"],
    }


def test_parameters_are_required_and_have_a_place() -> None:
    [listed] = DOCUMENT["paths"]["/v1/connections"]["get"]["parameters"]
    assert (listed["name"], listed["in"], listed["required"]) == ("userId", "query", True)
    assert listed["schema"]["maxLength"] == inputs.USER
    ended = DOCUMENT["paths"]["/v1/connections/{connectionId}"]["delete"]["parameters"]
    assert [(one["name"], one["in"], one["required"]) for one in ended] == [
        ("connectionId", "path", True),
        ("userId", "query", True),
    ]
    for row in ROWS:
        [shown] = openapi_document([row])["paths"][row.path][row.method.lower()]["parameters"]
        assert (shown["in"], shown["required"]) == ("path", True)


def test_routes_of_one_path_are_together() -> None:
    paths = openapi_document([*ROWS, ROWS[0]])["paths"]
    assert paths.keys() == {"/v1/reads/{id}", "/v1/providers/{provider}/start"}


def allows(name: str, value: Any) -> bool:
    return jsonschema_rs.is_valid(COMPONENTS[name], value)


URI = "https://app.example/cb"
COMPLETE = {"provider": "oura", "code": "c", "state": "s", "redirectUri": URI}
CONNECTION = {
    "id": "x",
    "userId": "alice",
    "providerId": "x",
    "providerSlug": "oura",
    "status": "connected",
    "lastSyncAt": None,
    "createdAt": "2026-11-23T12:00:00.000Z",
}


@pytest.mark.parametrize("member", COMPLETE)
def test_members_that_are_required(member: str) -> None:
    assert allows("CompleteConnectionInput", COMPLETE)
    assert not allows("CompleteConnectionInput", {name: value for name, value in COMPLETE.items() if name != member})
    for value in (None, 5, [], "a\nb", "a\x7f"):
        assert not allows("CompleteConnectionInput", COMPLETE | {member: value})
    if member != "code":
        assert not allows("CompleteConnectionInput", COMPLETE | {member: ""})
        assert not allows("CompleteConnectionInput", COMPLETE | {member: "  "})


@pytest.mark.parametrize(
    ("member", "most"),
    [
        ("provider", inputs.SLUG),
        ("code", inputs.CODE),
        ("state", inputs.STATE),
        ("iss", inputs.ISSUER),
        ("scope", inputs.SCOPE),
        ("error", inputs.ERROR),
    ],
)
def test_the_longest_value_of_a_member(member: str, most: int) -> None:
    assert allows("CompleteConnectionInput", COMPLETE | {member: "x" * most})
    assert not allows("CompleteConnectionInput", COMPLETE | {member: "x" * (most + 1)})


@pytest.mark.parametrize("member", ["iss", "scope", "error"])
def test_members_that_are_optional(member: str) -> None:
    for value in (None, "", " ", "x"):
        assert allows("CompleteConnectionInput", COMPLETE | {member: value})
    for value in (5, [], "a\nb"):
        assert not allows("CompleteConnectionInput", COMPLETE | {member: value})


def test_the_code_may_be_empty_but_not_absent() -> None:
    """Whether the provider's redirect may lack both a code and an error, only the catalogue says."""
    empty = COMPLETE | {"code": ""}
    assert allows("CompleteConnectionInput", empty)
    assert allows("CompleteConnectionInput", empty | {"error": "access_denied"})
    assert not allows("CompleteConnectionInput", empty | {"code": None})
    del empty["code"]
    assert not allows("CompleteConnectionInput", empty | {"error": "access_denied"})


def test_redirect_uris() -> None:
    def fits(value: Any) -> bool:
        return allows("AuthorizeConnectionInput", {"provider": "oura", "redirectUri": value})

    longest = URI + "x" * (uri.MAX_LENGTH - len(URI))
    assert fits(URI)
    assert fits(longest)
    assert fits("com.example.app:/cb")
    for wrong in (f"{longest}x", "/cb", "app.example", f"{URI}#x", "1a:b", "", None, 5):
        assert not fits(wrong)
    assert not allows("AuthorizeConnectionInput", {"provider": "oura"})
    assert not allows("AuthorizeConnectionInput", {"redirectUri": URI})


def test_a_connection_has_its_members_and_no_others() -> None:
    assert allows("Connection", CONNECTION)
    assert allows("Connection", CONNECTION | {"lastSyncAt": "2026-11-23T12:00:00.000Z"})
    assert not allows("Connection", CONNECTION | {"more": 1})
    assert not allows("Connection", CONNECTION | {"status": "other"})
    assert not allows("Connection", CONNECTION | {"createdAt": None})
    for status in ("pending", "connected", "error", "disconnected"):
        assert allows("Connection", CONNECTION | {"status": status})
    for member in CONNECTION:
        assert not allows("Connection", {name: value for name, value in CONNECTION.items() if name != member})


def test_an_authorization_and_an_error() -> None:
    assert allows("Authorization", {"url": "x:y", "state": "s"})
    for wrong in ({"url": "x:y"}, {"state": "s"}, {"url": "x:y", "state": ""}, {"url": "x:y", "state": "s", "a": 1}):
        assert not allows("Authorization", wrong)
    assert allows("Error", {"error": "invalid_state", "message": "x", "more": 1})
    for wrong in ({"error": "INVALID_STATE", "message": "x"}, {"error": "invalid_state"}, {"message": "x"}):
        assert not allows("Error", wrong)
