from __future__ import annotations

import pytest

from benchmarks.contenders import ENGINES, OPERATIONS
from benchmarks.regression import LIMITS, Finding
from benchmarks.workload import REST


@pytest.mark.parametrize(
    ("tendon", "limit", "is_good"),
    [([300.0, 310.0], 3.0, True), ([310.0, 301.0], 3.0, False), ([303.0], 3.05, True)],
)
def test_the_repeat_with_the_fewest_instructions_counts(tendon: list[float], limit: float, *, is_good: bool) -> None:
    finding = Finding("sqlite", "list", REST, tendon, [100.0, 104.0], limit)
    assert finding.is_good is is_good
    assert ("MORE THAN" in str(finding)) is not is_good


@pytest.mark.parametrize(("limit", "advises"), [(3.09, False), (3.17, False), (3.3, True)])
def test_a_limit_that_is_too_high_is_reported(limit: float, *, advises: bool) -> None:
    finding = Finding("sqlite", "list", REST, [300.0], [100.0], limit)
    assert ("lower the limit to 3.09" in str(finding)) is advises


def test_every_operation_has_a_limit_on_every_engine() -> None:
    assert {limited for limited in LIMITS if limited[2] == REST} == {
        (engine, operation, REST) for engine in ENGINES for operation in OPERATIONS
    }
