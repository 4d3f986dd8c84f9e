from __future__ import annotations

import json
from pathlib import Path

from providers.entry.json_schema import entry_schema
from tests.processes import tendon


def test_the_schema_is_printed(tmp_path: Path) -> None:
    run = tendon("providers", "schema", cwd=tmp_path, settings={})
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout) == entry_schema()
