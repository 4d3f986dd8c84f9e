"""Which files make up the catalogue, and what is reported about those that can't be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.catalogue import CatalogueError, files_of, ignored_files, read_catalogue
from tests.providers.entries import minimal


def write(folder: Path, *slugs: str) -> None:
    for slug in slugs:
        (folder / f"{slug}.toml").write_text(minimal(slug), "utf-8")


def found(folder: Path, **variables: str) -> CatalogueError:
    with pytest.raises(CatalogueError) as raised:
        read_catalogue(folder, variables=variables)
    return raised.value


@pytest.mark.parametrize("allow_private", [True, False])
def test_entries_are_in_the_order_of_their_slugs(tmp_path: Path, *, allow_private: bool) -> None:
    write(tmp_path, "zeta", "acme", "middle")
    slugs = list(read_catalogue(tmp_path, variables={}, allow_private=allow_private))
    assert slugs == sorted(slugs)
    assert {"zeta", "acme", "middle", "oura"} < {*slugs}


def test_an_operators_own_entry_named_sandbox_is_read(tmp_path: Path) -> None:
    write(tmp_path, "sandbox")
    assert read_catalogue(tmp_path, variables={})["sandbox"].name == "Acme Ring"


def test_the_files_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path, "acme", ".hidden", "other")
    (tmp_path / "notes.txt").touch()
    assert files_of(tmp_path) == {name: tmp_path / f"{name}.toml" for name in ("acme", "other")}


@pytest.mark.parametrize("name", ["missing", "file.toml"])
def test_what_is_not_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.toml").touch()
    assert found(tmp_path / name).problems == (f"{tmp_path / name}: is not a folder",)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").mkdir()
    assert found(tmp_path).problems == ("acme.toml: can't be read: Is a directory",)


@pytest.mark.parametrize("table", ["[registration]\nsecrets = ['secret']", "[variables]\nsecret = 'x'"])
def test_no_entry_reads_credentials_of_another_provider(tmp_path: Path, table: str) -> None:
    (tmp_path / "acme-client.toml").write_text(f"{minimal('acme-client')}\n{table}", "utf-8")
    assert found(tmp_path).problems == (
        "acme-client.toml: ACME_CLIENT_SECRET is the name of a client's credential: choose other names",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"notes = {'[' * 2000}{']' * 2000}", "is nested too deeply"),
        (f"notes = {'{a = ' * 2000}1{'}' * 2000}", "is nested too deeply"),
        (f"notes = {'9' * 5000}", "has a number with too many digits"),
    ],
)
def test_a_file_that_python_cannot_read(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "acme.toml").write_text(text, "utf-8")
    assert found(tmp_path).problems == (f"acme.toml: {problem}",)


def test_a_key_that_is_nested_too_deeply_for_a_line(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(f"nots{'.a' * 500} = 1\n{minimal('acme')}", "utf-8")
    assert found(tmp_path).problems == ("acme.toml: nots: is not a key of this format: did you mean notes?",)


def test_the_other_entries_are_readable(tmp_path: Path) -> None:
    write(tmp_path, "acme", "zeta", "a-b", "a_b")
    (tmp_path / "broken.toml").write_text("slug = ", "utf-8")
    (tmp_path / "worse.toml").write_bytes(b"\xff")
    failure = found(tmp_path)
    assert [line.partition(":")[0] for line in failure.problems] == ["broken.toml", "worse.toml", "a_b.toml"]
    assert str(failure) == "\n".join(failure.problems)
    assert {"acme", "zeta", "a-b", "a_b", "oura"} <= {*failure.readable}
    assert not {"broken", "worse"} & {*failure.readable}


def test_a_failure_without_entries() -> None:
    assert CatalogueError(["x"]).readable == {}


VARIABLE = "[variables]\nregion = 'us'\n[authorize]"


@pytest.mark.parametrize(("value", "region"), [(None, "us"), ("", "us"), ("eu", "eu")])
def test_an_empty_variable_counts_as_unset(tmp_path: Path, value: str | None, region: str) -> None:
    text = minimal("acme").replace("[authorize]", VARIABLE).replace("acme.example/token", "{region}.example/token")
    (tmp_path / "acme.toml").write_text(text, "utf-8")
    variables = {} if value is None else {"ACME_REGION": value}
    assert read_catalogue(tmp_path, variables=variables)["acme"].token.url == f"https://{region}.example/token"


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("region", True),
        ("r2_d2", True),
        ("x" * 63, True),
        ("x" * 64, False),
        ("2x", False),
        ("_x", False),
        ("é", False),
    ],
)
def test_the_name_of_a_variable(tmp_path: Path, name: str, *, is_one: bool) -> None:
    (tmp_path / "acme.toml").write_text(
        minimal("acme").replace("[authorize]", f"[variables]\n'{name}' = 'x'\n[authorize]")
    )
    if is_one:
        assert "acme" in read_catalogue(tmp_path, variables={})
    else:
        assert len(found(tmp_path).problems) == 1


@pytest.mark.parametrize("name", ["client_id", "client_secret", "old_client_id", "x_client_secret"])
def test_no_variable_has_the_name_of_a_credential(tmp_path: Path, name: str) -> None:
    (tmp_path / "acme.toml").write_text(
        minimal("acme").replace("[authorize]", f"[variables]\n{name} = 'x'\n[authorize]")
    )
    assert found(tmp_path).problems == (f"acme.toml: variables.{name}: has the name of a credential (line 6)",)


# Files that are ignored


def test_ignored_files_are_reported_in_order(tmp_path: Path) -> None:
    for name in ("z.yaml", "a.yml", "m.json", "b.yamll", "c.toml2", "tml", "d.", "e.conf"):
        (tmp_path / name).touch()
    (tmp_path / "folder.yaml").mkdir()
    hints = [line.partition(":")[0] for line in ignored_files(tmp_path)]
    assert hints == ["a.yml", "c.toml2", "m.json", "z.yaml"]


@pytest.mark.parametrize("name", ["acme.toml", ".toml", "toml", "acme", "acme.tm", "acme.text", "acme.html", "acme.to"])
def test_other_files_are_not_reported(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert ignored_files(tmp_path) == []


@pytest.mark.parametrize("name", ["acme.tomll", "acme.otml", "acme.mtol", "acme.tol", "Acme.YAML", "acme.x.yml"])
def test_misspelt_extensions_are_reported(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert len(ignored_files(tmp_path)) == 1
