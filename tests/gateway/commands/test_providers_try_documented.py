"""The section for authors in docs/catalogue.md: its entry and its commands, one after the other."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from tests.gateway.commands.test_providers_try import trying
from tests.processes import tendon

PAGE = Path(__file__).parents[3] / "docs" / "catalogue.md"


async def test_an_entry_in_ten_minutes(tmp_path: Path) -> None:
    section = PAGE.read_text("utf-8").partition("## Writing an entry in ten minutes\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```(toml|sh)\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    assert [kind for kind, _ in blocks] == ["sh", "toml", "sh", "sh", "sh"]
    for kind, text in blocks:
        if kind == "toml":
            (tmp_path / "acme.toml").write_text(text, encoding="utf-8")
        else:
            await _run(tmp_path, text)
    _check_files(tmp_path)


def _check_files(folder: Path) -> None:
    assert json.loads((folder / "catalogue.schema.json").read_text("utf-8"))["title"]
    samples = {path.relative_to(folder).as_posix() for path in folder.glob("tests/providers/*/*")}
    assert samples == {"tests/providers/answers/acme.json", "tests/providers/errors/acme.json"}


async def _run(folder: Path, line: str) -> None:
    program, *arguments = shlex.split(line)
    assert program == ".venv/bin/tendon"
    if arguments[:2] == ["providers", "try"]:
        with trying(folder, *arguments[2:]) as trial:
            assert await trial.decide() == 0, trial.said
            assert "Nothing differs from the entry." in trial.said
        return
    target = arguments[arguments.index(">") + 1] if ">" in arguments else None
    run = tendon(*arguments[: arguments.index(">") if target else None], cwd=folder, settings={})
    assert run.returncode == 0, run.stderr
    if target:
        (folder / target).write_text(run.stdout, encoding="utf-8")
