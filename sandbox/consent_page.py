"""The pages for the user who connects: the consent, and errors that must not be sent to the app.

The form has no `action`, so it posts to the page's own URL including the query, wherever the sandbox is mounted.
"""

from __future__ import annotations

from html import escape

from starlette.responses import Response

from sandbox import pages

SCOPE_FIELD = "grant-"


def page(provider: str, client_id: str, scopes: list[str], account: str) -> Response:
    """Ask for which account `client_id` may have these scopes; each scope can be granted or not."""
    return pages.page(
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


# A page whose address has the parameters after `#/` moves them to where the sandbox reads them.
_ROUTING = """
const routed = location.hash.split("?").slice(1).join("?");
location.replace(`${location.search || "?"}${location.search ? "&" : ""}${routed}`);
"""


def routing_page(provider: str) -> Response:
    """For a provider that reads the parameters of the authorization request in the browser."""
    note = f"<noscript>{escape(provider)} needs JavaScript.</noscript>"
    return pages.page(f"Opening {provider} …", note, 200, script=_ROUTING)


def error_page(provider: str, message: str) -> Response:
    """Show that the app's request is wrong. Nothing is sent to the app (RFC 6749 4.1.2.1)."""
    return pages.page(f"{provider} can't process this request", f'<p role="alert">{escape(message)}</p>', 400)


def _scopes(scopes: list[str]) -> str:
    rows = "".join(
        f'<label class="scope"><input type="checkbox" name="{SCOPE_FIELD}{number}" value="{escape(scope)}" checked>'
        f"<span>{escape(scope)}</span></label>"
        for number, scope in enumerate(scopes)
    )
    return f"<fieldset><legend>Grant access to</legend>{rows}</fieldset>" if rows else ""
