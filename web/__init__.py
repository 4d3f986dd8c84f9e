"""The web pages: front page, connect page and GraphiQL, as HTML, CSS and ES modules without a build step.

A page is a file of `web/pages/` into which the configuration is inserted. It loads everything else from `STATIC`, which
the gateway serves under `/web/`, and nothing from another origin. Imports nothing else of Tendon.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

STATIC = Path(__file__).parent / "static"
"""The folder to serve under `/web/`."""

PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy (CSP level 3) of the front page and the connect page, whose logos are `data:` URIs."""

# GraphiQL's dialogs and menus keep the page behind them from scrolling with one inline style sheet, always the same.
_SCROLL_LOCK = "'sha256-Y/huXlwoYkVyQlxwSVcCi1RCDGDCSVBzDt0hYP9qlTc='"

GRAPHIQL_CSP = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {_SCROLL_LOCK}; img-src 'self' data:; font-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of GraphiQL, whose style sheet contains fonts and images."""

_PAGES = Path(__file__).parent / "pages"
_CONFIG = "<!-- config -->"
# A part of a page that is included only if the configuration value of that name is true.
_OPTIONAL = re.compile(r"<!-- (dev|explorer) -->(.*?)<!-- /\1 -->", re.DOTALL)
# Characters that could end the script element, or a line of it (U+2028, U+2029). In JSON they occur only in strings.
_UNSAFE = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def index_page(config: Mapping[str, object]) -> bytes:
    """The front page. `config` as for `connect_page`."""
    return _page("index.html", config)


def connect_page(config: Mapping[str, object]) -> bytes:
    """The page on which a user connects a provider, and to which the provider redirects them.

    `config` is `{"graphqlUrl": path, "token": bearer token or null, "dev": bool, "explorer": bool, "connectPage":
    bool}`. `explorer` says whether GraphiQL is served, `connectPage` whether this page and the front page are. Anybody
    who loads the page can read `config`.
    """
    return _page("connect.html", config)


def graphiql_page(config: Mapping[str, object]) -> bytes:
    """GraphiQL with the steps of a connection ready to run. `config` as for `connect_page`."""
    return _page("graphiql.html", config)


def _page(name: str, config: Mapping[str, object]) -> bytes:
    page = (_PAGES / name).read_text("utf-8")
    page = _OPTIONAL.sub(lambda part: part[2] if config.get(part[1]) else "", page)
    data = json.dumps(dict(config), ensure_ascii=False).translate(_UNSAFE)
    return page.replace(_CONFIG, f'<script type="application/json" id="config">{data}</script>').encode()
