"""Writes `docs/providers/` from the catalogue, a page for each provider and a table of all of them, and the list of
providers in `README.md`.

    words.py     how lists, times and quotations are written in Markdown
    page.py      the page of one provider, section by section
    protocol.py  its section on what Tendon does there
    api.py       its section on the API
    overview.py  the table of all, and of those that can't be connected; and the list in README.md

`make providers-docs` runs it, and a test compares what it writes with what is there.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

from providers.catalogue import BUILT_IN, files_of, read_catalogue
from providers.unsupported import read_unsupported
from scripts.provider_docs.overview import names, overview
from scripts.provider_docs.page import page

_ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = _ROOT / "docs" / "providers"
README: Final = _ROOT / "README.md"
_LIST: Final = re.compile(r"(<!-- providers -->\n).*(<!-- /providers -->)", re.DOTALL)


def documents() -> dict[str, str]:
    """The texts of all pages by the names of their files. The environment has no influence on them."""
    catalogue = read_catalogue(variables={})
    files = {slug: tomllib.loads(file.read_text("utf-8")) for slug, file in files_of(BUILT_IN).items()}
    pages = {f"{slug}.md": page(entry, files[slug].get("variables", {})) for slug, entry in catalogue.items()}
    return {"README.md": overview(catalogue, read_unsupported()), **pages}


def with_names(text: str) -> str:
    """The text of the repository's README.md with the list of providers."""
    return _LIST.sub(lambda found: f"{found[1]}{names(read_catalogue(variables={}))}\n{found[2]}", text)


def write(folder: Path = FOLDER, readme: Path = README) -> None:
    """Write all pages and the list, and remove the pages of entries that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = documents()
    for file in folder.glob("*.md"):
        if file.name not in texts:
            file.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    readme.write_text(with_names(readme.read_text(encoding="utf-8")), encoding="utf-8")
