"""The frame of all pages for users: plain HTML, with a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from starlette.responses import Response

from sandbox import responses

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1c2024, #edeef0); --soft: light-dark(#5b626b, #a9b1bb);
  --page: light-dark(#f4f5f7, #14171a); --card: light-dark(#ffffff, #1e2226); --line: light-dark(#d5d9de, #3b4149);
  --accent: light-dark(#1f5f4c, #7fd1b3); --on-accent: light-dark(#ffffff, #10211b); }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--page);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 27rem; padding: 2rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .75rem; overflow-wrap: anywhere; }
h1 { margin: 0 0 .5rem; font-size: 1.35rem; line-height: 1.3; }
p { margin: 0 0 1.25rem; }
p, .note { color: var(--soft); }
fieldset { margin: 0 0 1.25rem; padding: .25rem 1rem .75rem; border: 1px solid var(--line); border-radius: .5rem; }
legend { padding: 0 .35rem; font-weight: 600; }
.scope { display: flex; gap: .6rem; align-items: center; min-height: 2.25rem; }
.scope input { flex: none; width: 1.15rem; height: 1.15rem; accent-color: var(--accent); }
.account { display: block; margin-bottom: .35rem; font-weight: 600; }
input[type=text] { width: 100%; padding: .6rem .75rem; font: inherit; color: inherit; background: transparent;
  border: 1px solid var(--soft); border-radius: .5rem; }
.note { display: block; margin: .35rem 0 1.5rem; font-size: .875rem; }
.grants { margin: 0 0 1.25rem; padding: 0; list-style: none; }
.grants li { padding: 1rem 0; border-top: 1px solid var(--line); }
h2, h3 { margin: 0; font-size: 1rem; }
ul + h2 { margin-bottom: .75rem; font-size: 1.1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem .75rem; margin: .5rem 0; font-size: .875rem; }
dt { color: var(--soft); }
dd { margin: 0; }
.done { margin-top: 1rem; padding: .6rem .75rem; color: var(--ink); border: 1px solid var(--accent);
  border-radius: .5rem; }
.buttons { display: flex; flex-wrap: wrap; gap: .75rem; }
button { flex: 1 1 8rem; min-height: 2.75rem; padding: .5rem 1rem; font: inherit; font-weight: 600; cursor: pointer;
  color: inherit; background: transparent; border: 1px solid var(--soft); border-radius: .5rem; }
button[value=approve] { color: var(--on-accent); background: var(--accent); border-color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
"""


def _hash(text: str) -> str:
    """What allows this inline style or script (CSP 3, 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_CSP = f"default-src 'none'; style-src {_hash(_STYLE)}; base-uri 'none'; frame-ancestors 'none'"


def page(title: str, content: str, status: int, *, own_forms: bool = False, script: str | None = None) -> Response:
    """A page with this heading. `content` is HTML; `script` is the only one that the page may run.

    With `own_forms`, its forms are sent to the sandbox only, and with an Origin that shows where they come from. The
    form of a consent can't be limited like that: the answer to it redirects to the app, which the limit would prevent.
    """
    # The policy of the header, `no-referrer`, would make the browser send `Origin: null`.
    referrer = '<meta name="referrer" content="same-origin">' if own_forms else ""
    running = f"<script>{script}</script>" if script else ""
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{referrer}'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{content}</main>{running}</body></html>"
    )
    csp = _CSP + ("; form-action 'self'" if own_forms else "") + (f"; script-src {_hash(script)}" if script else "")
    return responses.page(html, status, {"Content-Security-Policy": csp})
