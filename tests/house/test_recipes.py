"""Compares the recipes of CONTRIBUTING.md with the code: whatever exists of each kind is in the files that its recipe
names, and in no others."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from gateway.settings import Settings
from resolvers.errors import PROBLEMS
from rest.json_http import STATUS
from rest.routes import ROUTES, RestRoute
from schema.types import _ACTIONS
from tendon_cli import PACKAGES
from tests.conftest import SLUGS
from tests.house.test_house import ROOT, tracked
from wire.tables import keys
from worker import kinds
from worker.kinds import KINDS, Kind

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FIRST_SENTENCES = dict(re.findall(r"^\*\*([\w ]+)\.\*\* (.*?\.)\s", CONTRIBUTING, re.DOTALL | re.MULTILINE))
MUTATIONS = re.findall(
    r"^  (\w+)\(",
    (ROOT / "schema.graphql").read_text(encoding="utf-8").partition("type Mutation {")[2].partition("}")[0],
    re.MULTILINE,
)


def named_files(recipe: str) -> set[str]:
    """The files and folders that the first sentence of a recipe names."""
    return {name for name in re.findall(r"`([\w./-]+)`", FIRST_SENTENCES[recipe]) if "/" in name or "." in name}


def compare(recipe: str, found: set[str], *, optional: str | None = None) -> None:
    """Fails unless there is one file for everything that the recipe names, with or without `optional`, and no other."""
    named = named_files(recipe)
    by_name: dict[str | None, list[str]] = {name: [] for name in named}
    for file in found:
        matching = [name for name in named if file == name or (name.endswith("/") and file.startswith(name))]
        by_name.setdefault(max(matching, key=len, default=None), []).append(file)
    assert by_name.pop(None, []) == [], f"not in the recipe: {recipe}"
    assert {name for name in named - {optional} if not by_name[name]} == set(), f"only in the recipe: {recipe}"
    assert {name: several for name, several in by_name.items() if len(several) > 1} == {}, f"not one file: {recipe}"


@pytest.mark.parametrize("recipe", FIRST_SENTENCES)
def test_the_files_of_a_recipe_exist(recipe: str) -> None:
    assert [name for name in named_files(recipe) if not (ROOT / name).exists()] == []


@cache
def files() -> dict[str, Path]:
    """The modules of the packages."""
    paths = [ROOT / "tendon_cli.py", *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): path for path in paths}


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Everything in a module."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def modules(matches: Callable[[ast.AST], object], *, under: str = "") -> set[str]:
    """The modules that contain something that matches."""
    return {file for file, path in files().items() if file.startswith(under) and any(map(matches, nodes(path)))}


@cache
def texts(path: Path) -> set[str]:
    """The strings in a module."""
    constants = (node.value for node in nodes(path) if isinstance(node, ast.Constant))
    return {value for value in constants if isinstance(value, str)}


def modules_with_text(pattern: str, *, under: str = "") -> set[str]:
    """The modules with a string that matches the whole pattern."""
    matches = re.compile(pattern).fullmatch
    return {file for file, path in files().items() if file.startswith(under) and any(map(matches, texts(path)))}


@cache
def names(path: Path) -> set[str]:
    """The names that a module defines, imports or uses."""
    found = {getattr(node, name, None) for node in nodes(path) for name in ("id", "attr", "name")}
    return {name for name in found if isinstance(name, str)}


def modules_with_name(*wanted: str, under: str) -> set[str]:
    """The modules that define, import or use one of these names."""
    return {file for file, path in files().items() if file.startswith(under) and names(path) & {*wanted}}


def with_line(file: str, pattern: str) -> set[str]:
    """The file, if one of its lines begins like this."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return {file} if re.search(f"^{pattern}", text, re.MULTILINE) else set()


def adapter_names() -> list[str]:
    return sorted(path.stem for path in (ROOT / "providers" / "adapters").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("slug", sorted({*SLUGS} - {"sandbox"}))
def test_provider(slug: str) -> None:
    own = {path.relative_to(ROOT).as_posix() for path in tracked() if path.stem == slug}
    line = with_line("README.md", rf".*\(docs/providers/{slug}\.md\)")
    compare("A provider", {file for file in own | modules_with_text(slug) | line if "/adapters/" not in file})


@pytest.mark.parametrize("adapter", adapter_names())
def test_adapter(adapter: str) -> None:
    compare("An adapter", {file for file in files() if Path(file).stem == adapter} | modules_with_text(adapter))


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_mutation(mutation: str) -> None:
    function = re.sub(r"([A-Z])", r"_\1", mutation).lower()
    operation = mutation[0].upper() + mutation[1:]
    resolver = modules(
        lambda node: isinstance(node, ast.AsyncFunctionDef) and node.name == function, under="resolvers/"
    )
    assert len(resolver) == 1
    compare(
        "A mutation",
        resolver
        | modules_with_name(function, f"{operation}Input", f"{operation}Payload", under="schema/")
        | modules_with_text(mutation, under="schema/")
        | modules_with_text(_ACTIONS[mutation], under="resolvers/")
        | with_line("docs/operating.md", rf"\|[^|]*`{_ACTIONS[mutation]}`")
        | with_line("schema.graphql", rf"  {mutation}\(")
        | with_line("README.md", rf"\|.*\| `{mutation}`")
        | with_line("tests/interfaces.py", rf'.*"{operation}"'),
        # Those of connecting are in `schema/types.py`, too.
        optional="schema/",
    )


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_route(route: RestRoute) -> None:
    documents = {path for path in (ROOT / "rest" / "operations").iterdir() if path.stem == route.operation}
    compare(
        "A REST route",
        {path.relative_to(ROOT).as_posix() for path in documents}
        | modules_with_text(re.escape(route.path))
        | modules_with_text(f"{route.operation}(Input)?")
        | with_line("README.md", rf"\| `{route.method} {re.escape(route.path)}[?`]"),
        optional=None if route.has_body else "rest/json_schemas.py",
    )


@pytest.mark.parametrize("code", STATUS)
def test_error(code: str) -> None:
    found = modules_with_text(code) | with_line("docs/errors.md", rf"\| `{code}` \|")
    compare("An error", found, optional=None if code in PROBLEMS else "resolvers/errors.py")


@cache
def tables() -> dict[str, str]:
    """The tables, with the file of each."""
    named = re.compile(r'^        table = "(\w+)"$', re.MULTILINE)
    return {name: file for file, path in files().items() for name in named.findall(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("table", tables())
def test_table(table: str) -> None:
    file = tables()[table]
    compare(
        "A table",
        {file}
        | modules_with_text(re.escape(file.removesuffix(".py").replace("/", ".")))
        | {min(modules_with_text(table, under="models/migrations/"))}
        | modules_with_text(table, under="models/rights.py")
        | with_line("docs/operating.md", rf"GRANT .*\b{table}\b.* TO tendon_(app|export)"),
    )


def test_statements() -> None:
    made = modules(lambda node: isinstance(node, ast.Call) and ast.unparse(node.func) == "Statement")
    for module in made | modules_with_text(r"(?s)\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH) .*"):
        compare("A statement", {module})


def test_the_orm_is_for_migrations() -> None:
    users = modules(
        lambda node: (
            (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tortoise"))
            or (isinstance(node, ast.Import) and any(alias.name.startswith("tortoise") for alias in node.names))
        )
    )
    others = users - {*tables().values(), "models/migrating.py"}
    assert {
        file for file in others if not re.match(r"models/(migrations/|raw_migration\.py|engine/\w+_orm\.py)", file)
    } == set()


@pytest.mark.parametrize("setting", keys(Settings))
def test_setting(setting: str) -> None:
    variable = f"TENDON_{setting.upper()}"
    compare(
        "A setting",
        modules(
            lambda node: isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == setting,
            under="gateway/settings/",
        )
        | modules_with_text(variable)
        | with_line("README.md", rf"\|[^|]*`{variable}`"),
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_package(package: str) -> None:
    compare(
        "A package",
        modules_with_text(package, under="tendon_cli.py")
        | with_line("pyproject.toml", rf'root_packages = .*"{package}"')
        | with_line("docs/architecture.md", rf"\| `{package}` \|"),
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_work_beside_requests(kind: Kind) -> None:
    functions = {f"{function.__module__.replace('.', '/')}.py" for function in (kind.due, kind.run)}
    compare(
        "Work beside requests",
        functions | {kinds.__file__.removeprefix(f"{ROOT}/")} | with_line("docs/operating.md", rf"\| `{kind.name}` \|"),
    )


def test_a_recipe_that_names_too_little_or_too_much_is_found() -> None:
    right = {"resolvers/errors.py", "rest/json_http.py", "docs/errors.md"}
    compare("An error", right)
    with pytest.raises(AssertionError, match="not in the recipe"):
        compare("An error", right | {"rest/routes.py"})
    with pytest.raises(AssertionError, match="only in the recipe"):
        compare("An error", right - {"docs/errors.md"})
