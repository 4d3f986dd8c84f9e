"""The OpenAPI document is kept true: it has the schema's members, and the running service keeps to it."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
import schemathesis
from graphql import GraphQLInputObjectType, GraphQLNonNull, GraphQLObjectType
from hypothesis import HealthCheck, settings
from schemathesis import BaseSchema, Case
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test

from resolvers.errors import PROBLEMS
from rest.json_http import STATUS
from rest.openapi import openapi_document
from schema.execution import Executor
from tests.processes import Process

DOCUMENT = openapi_document()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


async def test_it_is_served(client: httpx.AsyncClient, any_gateway: Process) -> None:
    response = await client.get(f"{any_gateway.origin}/openapi.json")
    assert response.json() == DOCUMENT


@pytest.fixture(scope="module")
def origin(any_gateway: Process) -> str:
    return any_gateway.origin


@pytest.fixture(scope="module")
def description() -> BaseSchema:
    described = schemathesis.openapi.from_dict(DOCUMENT)
    # JSON Schema has no way to say it of members that it does not name: no string holds a NUL character.
    described.config.generation.update(allow_x00=False)
    # A list that is too long may also make the body too large.
    described.config.checks.negative_data_rejection.expected_statuses = ["400", "401", "403", "404", "413", "415"]
    return described


# Schemathesis' own decorator makes all inputs when tests are collected, which each process that runs tests does.
@pytest.mark.parametrize(
    ("path", "method"), [(path, method) for path, item in DOCUMENT["paths"].items() for method in item]
)
def test_the_service_keeps_to_it(path: str, method: str, description: BaseSchema, any_gateway: Process) -> None:
    def keeps_to_it(case: Case[Any]) -> None:
        case.call_and_validate(base_url=any_gateway.origin, headers={"Authorization": "Bearer dev:schemathesis"})

    limits = settings(
        max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
    )
    config = HypothesisTestConfig(modes=[*HypothesisTestMode], project=description.config, explicit_settings=limits)
    create_test(operation=description[path][method], test_func=keeps_to_it, config=config)()


@pytest.mark.parametrize("name", ["AuthorizeConnectionInput", "CompleteConnectionInput"])
def test_inputs_have_the_schemas_members(name: str) -> None:
    kind = Executor(explore=False).graphql.type_map[name]
    assert isinstance(kind, GraphQLInputObjectType)
    assert SCHEMAS[name]["properties"].keys() == kind.fields.keys()
    required = [member for member, field in kind.fields.items() if isinstance(field.type, GraphQLNonNull)]
    assert SCHEMAS[name]["required"] == required


def test_a_connection_is_the_first_seven_fields_of_the_schemas() -> None:
    kind = Executor(explore=False).graphql.type_map["Connection"]
    assert isinstance(kind, GraphQLObjectType)
    assert list(SCHEMAS["Connection"]["properties"]) == list(kind.fields)[:7]
    assert SCHEMAS["Connection"]["required"] == list(kind.fields)[:7]


def test_every_problem_has_a_status_and_is_in_the_document() -> None:
    assert PROBLEMS.keys() <= STATUS.keys()
    assert SCHEMAS["Error"]["properties"]["error"]["enum"] == [code.lower() for code in STATUS]
    assert all(re.fullmatch(r"[A-Z_]+", code) for code in STATUS)
