"""Any valid document over a schema of many shapes, and any variables: a plan does what graphql-core does, in the same
order."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings

from tests.schema.plans.compared import plan_of, run_core, run_plan
from tests.schema.plans.random_documents import Drawn, documents
from tests.schema.plans.shapes import SCHEMA
from tests.schema.plans.telling import SAYS, SAYS_OF_LISTS

FIELDS = ["", "text", "neededText", "number", "colour", "tags", "looseGrid", "child", "neededChild", "children", "item"]
TEXTS = [*SAYS, *SAYS_OF_LISTS, *(f"{says} {name}" for says in ("null", "raises", "returns") for name in FIELDS)]


@given(documents(SCHEMA, TEXTS))
@example(Drawn("query($v: String!) { item(says: $v) { text } }", {"v": None}))
@settings(
    derandomize=True,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
async def test_any_document(drawn: Drawn) -> None:
    plan = plan_of(drawn.text)
    if plan is None:
        assert "$condition)" in drawn.text, "directives with a variable are all that plans do not cover here"
        return
    ran, wanted = await run_plan(plan, drawn.variables), await run_core(drawn.text, drawn.variables)
    if ran is None:
        assert wanted.errors, "variables that are valid are declined"
    else:
        assert ran == wanted
