"""`tendon providers check`: what is wrong with catalogue files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from tests.processes import tendon
from tests.providers.entries import minimal

CANARY = "canary-7f3a"
ENTRY = (
    minimal("acme").replace("[token]", "pkce_checked = false\n[token]\naccount = 'id'")
    + f"""[api]
base = 'https://api.acme.example'
[[sources]]
facts = "everything, also that nothing can be revoked"
url = "https://acme.example/docs"
seen = {dt.datetime.now(dt.UTC).date()}
sure = "documented"
"""
)
VALID = "acme.toml: valid; to use it, set ACME_CLIENT_ID and ACME_CLIENT_SECRET\n"


def checked(folder: Path, text: str, name: str = "acme.toml", **settings: str) -> tuple[int, str, str]:
    (folder / name).write_text(text, encoding="utf-8")
    run = tendon("providers", "check", str(folder / name), cwd=folder, settings=settings)
    return run.returncode, run.stdout, run.stderr


def test_a_file_that_is_valid(tmp_path: Path) -> None:
    assert checked(tmp_path, ENTRY) == (0, VALID, "")
    credentials = {"ACME_CLIENT_ID": CANARY, "ACME_CLIENT_SECRET": CANARY}
    assert checked(tmp_path, ENTRY, **credentials) == (0, "acme.toml: valid\n", "")
    further = ENTRY + "[registration]\nsecrets = ['api_key']\n"
    assert "set ACME_CLIENT_ID, ACME_CLIENT_SECRET and ACME_API_KEY\n" in checked(tmp_path, further)[1]


def test_a_file_with_mistakes(tmp_path: Path) -> None:
    text = ENTRY.replace("[token]", "[token]\nmargin = 0\nquite = 7")
    problems = "acme.toml: token.margin: must be at least 1 (line 9)\n"
    problems += "acme.toml: token.quite: is not a key of this format: did you mean quiet? (line 10)\n"
    assert checked(tmp_path, text) == (1, "", problems)


def test_private_addresses_are_valid_where_they_are_allowed(tmp_path: Path) -> None:
    text = ENTRY.replace("https://api.acme.example", "http://10.0.0.7")
    assert checked(tmp_path, text, TENDON_AUTH="jwt") == (1, "", "acme.toml: api.base: must be https (line 12)\n")
    assert checked(tmp_path, text, TENDON_AUTH="jwt", TENDON_ALLOW_PRIVATE_PROVIDERS="1") == (0, VALID, "")


def test_files_that_cannot_be_entries(tmp_path: Path) -> None:
    problem = "acme.yaml: is not the name of an entry, which ends in .toml\n"
    assert checked(tmp_path, ENTRY, "acme.yaml") == (1, "", problem)
    run = tendon("providers", "check", "missing.toml", cwd=tmp_path, settings={})
    assert (run.returncode, run.stderr) == (1, "missing.toml: can't be read: No such file or directory\n")


def test_several_files(tmp_path: Path) -> None:
    for name, entry in (("acme", ENTRY), ("zeta", minimal("zeta").replace("https", "http"))):
        (tmp_path / f"{name}.toml").write_text(entry, encoding="utf-8")
    run = tendon("providers", "check", "zeta.toml", "acme.toml", cwd=tmp_path, settings={"TENDON_AUTH": "jwt"})
    assert (run.returncode, run.stdout) == (1, VALID)
    assert [line.partition(": must")[0] for line in run.stderr.splitlines()] == [
        "zeta.toml: docs",
        "zeta.toml: authorize.url",
        "zeta.toml: token.url",
    ]


def test_what_is_suspicious_is_no_failure(tmp_path: Path) -> None:
    status, valid, doubts = checked(tmp_path, minimal("acme"))
    assert (status, valid) == (0, VALID)
    assert [line.split(": ")[:3] for line in doubts.splitlines()] == [
        ["acme.toml", "warning", "account"],
        ["acme.toml", "warning", "sources"],
    ]
