"""The files of adapters, by name."""

from __future__ import annotations

import pytest

from sandbox import adapters
from sandbox.dialect import DialectError
from tests.house.test_house import ROOT

NAMES = sorted(path.stem for path in (ROOT / "providers" / "adapters").glob("*.py") if not path.stem.startswith("_"))


def test_the_sandbox_plays_the_other_side_of_every_adapter() -> None:
    for name in NAMES:
        assert adapters.endpoints(name).keys() & {"revoke", "after_exchange"}


@pytest.mark.parametrize("name", ["nobody", "os", "../withings", "withings.x", ""])
def test_any_other_name_is_an_error(name: str) -> None:
    with pytest.raises(DialectError, match="adapter has no file"):
        adapters.endpoints(name)
