"""The page where users see which apps have access to their accounts, and end it from the provider's side."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape

from starlette.requests import Request
from starlette.responses import Response

from sandbox import responses
from sandbox.oauth import Parameters
from sandbox.pages import page
from sandbox.provider import Provider
from sandbox.same_site import cross_site
from sandbox.token_store import BY_USER, CODE_REUSE, REPLACED, REUSE, REVOKED, Family, Grant

_MOST_ENDED = 20
_REASONS = {
    BY_USER: "You removed it.",
    REVOKED: "The app gave it back.",
    REUSE: "A refresh token was used twice.",
    CODE_REUSE: "A code was used twice.",
    REPLACED: "A newer connection replaced it.",
}


class ConnectionsPage:
    """GET shows the grants of all accounts, because the sandbox has no log-in. POST ends the grant in the form."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def __call__(self, request: Request) -> Response:
        if cross_site(request):
            return page("This page can't be used from another site", "", 403, own_forms=True)
        if request.method == "POST":
            return self._end(Parameters.read(await request.body()))
        return self._show(request.query_params.get("ended", ""))

    def _end(self, form: Parameters) -> Response:
        grant = next((one for one in self._grants() if str(one.number) == form.get("grant")), None)
        for family in grant.living if grant else ():
            family.end(BY_USER)
        # The path is relative, so that it is right wherever the sandbox is mounted.
        return responses.redirect(f"connections?ended={grant.number}" if grant else "connections", 303)

    def _show(self, just_ended: str) -> Response:
        name, grants = self._provider.dialect.name, self._grants()
        ended = [family for grant in grants for family in grant.families if family.ended]
        ended.sort(key=lambda family: family.ended_at or 0, reverse=True)
        content = [
            _message(grant for grant in grants if str(grant.number) == just_ended and not grant.is_living),
            f"<p>These apps can read data of {escape(name)} accounts until you remove their access. This is a sandbox"
            " provider, so you see all accounts.</p>",
            _list((_living(grant) for grant in reversed(grants) if grant.is_living), "No app has access."),
            "<h2>Access that has ended</h2>" if ended else "",
            _list(map(_ended, ended[:_MOST_ENDED]), ""),
        ]
        return page(f"Apps with access to {name} accounts", "".join(content), 200, own_forms=True)

    def _grants(self) -> list[Grant]:
        return [grant for grant in self._provider.tokens.grants if grant.provider == self._provider.key]


def _message(grants: Iterable[Grant]) -> str:
    """What has just been done, which is focused so that screen readers say it."""
    return "".join(
        f'<p class="done" role="status" tabindex="-1" autofocus>{escape(grant.client_id)} no longer has access to the'
        f" account {escape(grant.account)}.</p>"
        for grant in grants
    )


def _list(items: Iterable[str], none: str) -> str:
    items = "".join(f"<li>{item}</li>" for item in items)
    return f'<ul class="grants">{items}</ul>' if items else f"<p>{none}</p>" if none else ""


def _living(grant: Grant) -> str:
    scopes = sorted({scope for family in grant.living for scope in family.scopes})
    used = max((family.used_at for family in grant.living if family.used_at is not None), default=None)
    app, account = escape(grant.client_id), escape(grant.account)
    facts = {
        "Account": account,
        "Scopes": escape(", ".join(scopes)) or "none",
        "Connected": _time(grant.created_at),
        "Last used": "never" if used is None else _time(used),
    }
    return (
        f'<h2>{app}</h2>{_facts(facts)}<form method="post"><div class="buttons">'
        f'<button name="grant" value="{grant.number}" aria-label="Remove access of {app} to {account}">Remove access'
        "</button></div></form>"
    )


def _ended(family: Family) -> str:
    facts = {
        "Account": escape(family.grant.account),
        "Ended": _time(family.ended_at or 0),
        "Reason": escape(_REASONS[family.ended or REVOKED]),
    }
    return f"<h3>{escape(family.grant.client_id)}</h3>{_facts(facts)}"


def _facts(facts: dict[str, str]) -> str:
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{value}</dd>' for name, value in facts.items())}</dl>"


def _time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d %H:%M:%S} UTC</time>'
