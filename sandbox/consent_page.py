"""The pages for the user: the consent, and errors that must not be sent to the app. Plain HTML without scripts.

The form has no `action`, so it posts to the page's own URL including the query, wherever the sandbox is mounted.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape

from starlette.responses import Response

from sandbox import responses

SCOPE_FIELD = "grant-"

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
.buttons { display: flex; flex-wrap: wrap; gap: .75rem; }
button { flex: 1 1 8rem; min-height: 2.75rem; padding: .5rem 1rem; font: inherit; font-weight: 600; cursor: pointer;
  color: inherit; background: transparent; border: 1px solid var(--soft); border-radius: .5rem; }
button[value=approve] { color: var(--on-accent); background: var(--accent); border-color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# No `form-action`: it would also block the redirect to the app that answers the form.
_CSP = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"


def page(provider: str, client_id: str, scopes: list[str], account: str) -> Response:
    """Ask for which account `client_id` may have these scopes; each scope can be granted or not."""
    return _page(
        f"Allow access to your {provider} account?",
        f"<p>The app <strong>{escape(client_id)}</strong> requests access to your {escape(provider)} account.</p>"
        '<form method="post">'
        f"{_scopes(scopes)}"
        '<label class="account" for="account">Account</label>'
        f'<input type="text" id="account" name="account" value="{escape(account)}" maxlength="64" required'
        ' autocomplete="off" autocapitalize="none" spellcheck="false" aria-describedby="note">'
        '<span class="note" id="note">This is a sandbox provider. Enter any account name.</span>'
        '<div class="buttons"><button name="decision" value="approve">Approve</button>'
        '<button name="decision" value="deny" formnovalidate>Deny</button></div>'
        "</form>",
        200,
    )


def error_page(provider: str, message: str) -> Response:
    """Show that the app's request is wrong. Nothing is sent to the app (RFC 6749 4.1.2.1)."""
    return _page(f"{provider} can't process this request", f'<p role="alert">{escape(message)}</p>', 400)


def _scopes(scopes: list[str]) -> str:
    rows = "".join(
        f'<label class="scope"><input type="checkbox" name="{SCOPE_FIELD}{number}" value="{escape(scope)}" checked>'
        f"<span>{escape(scope)}</span></label>"
        for number, scope in enumerate(scopes)
    )
    return f"<fieldset><legend>Grant access to</legend>{rows}</fieldset>" if rows else ""


def _page(title: str, content: str, status: int) -> Response:
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
    return responses.page(html, status, {"Content-Security-Policy": _CSP})
