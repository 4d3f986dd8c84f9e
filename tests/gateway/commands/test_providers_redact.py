from __future__ import annotations

import json
from pathlib import Path

from tests.processes import tendon

ANSWER = {"access_token": "s3cr3t-t0k3n-of-sam", "expires_in": 3600, "user": {"email": "sam@example.org"}}


def test_an_answer_without_its_values(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text(json.dumps(ANSWER), encoding="utf-8")
    run = tendon("providers", "redact", "answer.json", cwd=tmp_path, settings={})
    assert run.returncode == 0
    found = json.loads(run.stdout)
    assert (list(found), found["expires_in"]) == (list(ANSWER), 3600)
    assert len(found["access_token"]) == len(str(ANSWER["access_token"]))
    for value in ("s3cr3t", "t0k3n", "sam@", "example.org"):
        assert value not in run.stdout


def test_what_cannot_be_redacted(tmp_path: Path) -> None:
    (tmp_path / "answer.txt").write_text("access_token=s3cr3t", encoding="utf-8")
    run = tendon("providers", "redact", "answer.txt", cwd=tmp_path, settings={})
    assert (run.returncode, run.stdout, run.stderr) == (2, "", "tendon can't start:\nanswer.txt: is not JSON\n")
    run = tendon("providers", "redact", "missing.json", cwd=tmp_path, settings={})
    assert run.stderr == "tendon can't start:\nmissing.json: can't be read: No such file or directory\n"


def test_a_document_that_is_nested_too_deeply(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 700 + "]" * 700, "utf-8")
    run = tendon("providers", "redact", "deep.json", cwd=tmp_path, settings={})
    assert run.returncode != 0
    assert "deep.json: is nested too deeply" in run.stderr
