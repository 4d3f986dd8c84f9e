"""What each call of the control API does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from starlette.routing import Route

from sandbox.calls import FILTERS, CallLog
from sandbox.control import bodies, views
from sandbox.control.http import ControlError, endpoint, filters, known, parse, query
from sandbox.fault_plan import SCRIPTED, FaultPlan, PlannedFault
from sandbox.faults import FAULTS
from sandbox.provider import Provider
from sandbox.settings import FLOW_SETTINGS
from sandbox.token_store import BY_USER, Family, TokenStore


class Control:
    """The routes of the control API."""

    def __init__(
        self, providers: Mapping[str, Provider], tokens: TokenStore, calls: CallLog, faults: FaultPlan
    ) -> None:
        self._providers = providers
        self._tokens = tokens
        self._calls = calls
        self._faults = faults
        self._start = {slug: provider.settings for slug, provider in providers.items()}

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/calls", endpoint(self._list_calls, query)),
            Route("/calls", endpoint(self._clear_calls), methods=["DELETE"]),
            Route("/faults", endpoint(self._list_faults)),
            Route("/faults", endpoint(self._plan_fault), methods=["POST"]),
            Route("/faults", endpoint(self._clear_faults), methods=["DELETE"]),
            Route("/release", endpoint(self._release), methods=["POST"]),
            Route("/tokens", endpoint(self._list_tokens, query)),
            Route("/accepts", endpoint(self._accepts), methods=["POST"]),
            Route("/grants", endpoint(self._list_grants, query)),
            Route("/grants/end", endpoint(self._end_grants), methods=["POST"]),
            Route("/grants/narrow", endpoint(self._narrow_grants), methods=["POST"]),
            Route("/settings", endpoint(self._list_settings, query)),
            Route("/settings", endpoint(self._change_settings), methods=["PUT"]),
            Route("/schema", endpoint(lambda _: bodies.schemas())),
            Route("/reset", endpoint(self._reset), methods=["POST"]),
        ]

    def _list_calls(self, given: Mapping[str, str]) -> Any:
        wanted = filters(given, (*FILTERS, "after"))
        after = wanted.pop("after", "0")
        if not after.isdecimal():
            raise ControlError("after", "is not the seq of a call")
        return self._calls.listing(wanted, after=int(after))

    def _clear_calls(self, _body: bytes) -> None:
        self._calls.clear()

    def _list_faults(self, _body: bytes) -> Any:
        return {"names": list(FAULTS), "planned": self._faults.listing()}

    def _plan_fault(self, body: bytes) -> None:
        fault = parse(bodies.Fault, body)
        provider = self._chosen(fault.slug, fault.site)[0]
        if fault.answer is not None and fault.fault is not None:
            raise ControlError("fault", "must be absent if there is an answer")
        if fault.fault == "entry_error" and fault.row >= len(provider.dialect.errors_at(fault.endpoint)):
            raise ControlError("row", "is not a row of the entry's errors")
        self._faults.add(
            PlannedFault(
                slug=fault.slug,
                endpoint=fault.endpoint,
                fault=known("fault", fault.fault, FAULTS) if fault.answer is None else SCRIPTED,
                times=fault.times,
                seconds=fault.seconds,
                grant_type=fault.grant_type,
                account=fault.account,
                skip=fault.skip,
                row=fault.row,
                answer=None if fault.answer is None else fault.answer.scripted(),
                site=fault.site,
            )
        )

    def _clear_faults(self, _body: bytes) -> None:
        self._faults.clear()

    def _release(self, body: bytes) -> Any:
        return {"released": self._faults.release(parse(bodies.Release, body).model_dump(exclude_none=True))}

    def _list_tokens(self, given: Mapping[str, str]) -> Any:
        wanted = filters(given, ("slug", "site", "account", "kind", "family", "grant"))
        rows = (views.token(token) for token in self._tokens.tokens.values())
        return [row for row in rows if all(str(row[name]) == wanted[name] for name in wanted)]

    def _accepts(self, body: bytes) -> Any:
        return {"accepts": self._tokens.accepts(parse(bodies.Accepts, body).access_token)}

    def _list_grants(self, given: Mapping[str, str]) -> Any:
        wanted = filters(given, ("slug", "site", "account"))
        found = [one for one in self._tokens.grants if all(getattr(one, name) == wanted[name] for name in wanted)]
        return [views.grant(one) for one in found]

    def _end_grants(self, body: bytes) -> Any:
        families = self._living(parse(bodies.Grants, body))
        return {"ended": [family.number for family in families if family.end(BY_USER)]}

    def _narrow_grants(self, body: bytes) -> Any:
        narrow = parse(bodies.Narrow, body)
        families = self._living(narrow)
        for family in families:
            family.scopes = tuple(scope for scope in family.scopes if scope in narrow.scope)
        return {"narrowed": [family.number for family in families]}

    def _living(self, wanted: bodies.Grants) -> list[Family]:
        """The families that are meant and have not ended."""
        self._chosen(wanted.slug, wanted.site)
        return [
            family
            for grant in self._tokens.grants
            if grant.slug == wanted.slug
            and wanted.site in (None, grant.site)
            and wanted.account in (None, grant.account)
            and wanted.grant in (None, grant.number)
            for family in grant.living
            if wanted.family in (None, family.number)
        ]

    def _chosen(self, slug: str | None, site: str | None) -> list[Provider]:
        """The providers with that slug and site; with any, where it is None. Raises ControlError."""
        found = [provider for provider in self._providers.values() if slug in (None, provider.slug)]
        if not found:
            raise ControlError("slug", "is unknown")
        found = [provider for provider in found if site in (None, provider.site)]
        if not found:
            raise ControlError("site", "is unknown")
        return found

    def _list_settings(self, given: Mapping[str, str]) -> Any:
        account = filters(given, ("account",)).get("account")
        return {
            slug: (provider.settings if account is None else provider.behaviour(account, {})).model_dump()
            for slug, provider in self._providers.items()
        }

    def _change_settings(self, body: bytes) -> Any:
        changes = _object(body)
        slug, site, account = (_text(name, changes.pop(name, None)) for name in ("slug", "site", "account"))
        chosen = self._chosen(slug, site)
        if account is not None and (wrong := changes.keys() - FLOW_SETTINGS):
            raise ControlError(min(wrong), "is not valid: it can't be set for one account")
        new = [(provider, provider.settings.changed(changes)) for provider in chosen]
        for provider, settings in new:
            if account is None:
                provider.settings = settings
            else:
                provider.of_accounts.setdefault(account, {}).update(settings.model_dump(include=set(changes)))
        return self._list_settings({} if account is None else {"account": account})

    def _reset(self, _body: bytes) -> None:
        self._tokens.clear()
        self._calls.clear()
        self._faults.clear()
        for slug, settings in self._start.items():
            self._providers[slug].settings = settings
            self._providers[slug].of_accounts.clear()
            self._providers[slug].nonces.clear()


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        raise ControlError("the body", "is not JSON") from None
    if not isinstance(value, dict):
        raise ControlError("the body", "is not an object")
    return cast("dict[str, Any]", value)


def _text(name: str, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ControlError(name, "is not valid: it must be text")
    return value
