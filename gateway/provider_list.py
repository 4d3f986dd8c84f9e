"""The providers as operators see them: which users can connect to, what the others lack, and which can't be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gateway.settings import CatalogueSettings
from gateway.settings.model import variable
from gateway.settings.registrations import credential_mistakes
from providers.catalogue import SANDBOX, Catalogue, Provider
from providers.credentials import (
    credential_names,
    credential_variables,
    environment_name,
    lacks_key,
    missing_variables,
    own_variables,
)
from providers.open_sites import sites_setting
from providers.unsupported import Unsupported, read_unsupported


class ListedProvider(msgspec.Struct, frozen=True):
    """An entry, with the ids of the sites that users can connect to. Without a `reason`, it is available; `unset` are
    the variables that would make it so."""

    entry: Provider
    sites: tuple[str, ...]
    reason: str | None
    unset: tuple[str, ...] = ()


def list_providers(
    catalogue: Catalogue, settings: CatalogueSettings, environment: Mapping[str, str]
) -> list[ListedProvider]:
    """With their availability under `tendon serve` with the same settings: those that are available, then the others,
    each in the order of the slugs."""
    listed = [_listed(entry, settings, environment) for entry in catalogue.values()]
    return sorted(listed, key=lambda each: each.reason is not None)


def list_unsupported(catalogue: Catalogue) -> Mapping[str, Unsupported]:
    """The vendors that can't be connected, without those for which an operator has made an entry all the same."""
    return {slug: vendor for slug, vendor in read_unsupported().items() if slug not in catalogue}


def _listed(entry: Provider, settings: CatalogueSettings, environment: Mapping[str, str]) -> ListedProvider:
    if mistakes := credential_mistakes(entry, environment):
        return ListedProvider(entry, (), "; ".join(f"{name} {problem}" for name, problem in mistakes.items()))
    offered = [id_ for id_, site in entry.sites.items() if site.offered]
    if entry.has_sites and not offered:
        return ListedProvider(entry, (), f"no site is offered: {_choice(entry)}", (sites_setting(entry.slug),))
    sites = tuple(id_ for id_ in offered if not missing_settings(entry.at_sites[id_], settings, environment))
    asked = _at_unfinished_site(entry, settings, environment) or (None if sites else entry)
    missing = [] if asked is None else missing_settings(asked, settings, environment)
    reason = _reason(asked, missing, settings, environment) if asked is not None and missing else None
    return ListedProvider(entry, sites or tuple(offered), reason, tuple(missing))


def needed_settings(entry: Provider) -> list[str]:
    """The variables of what the provider needs of us."""
    keys = [variable("client_keys")] if entry.token.algorithm else []
    return [*(environment_name(entry.slug, name) for name in credential_names(entry)), *keys]


def missing_settings(entry: Provider, settings: CatalogueSettings, environment: Mapping[str, str]) -> list[str]:
    """Those of them that are missing, or that have no key that fits."""
    keys = [variable("client_keys")] if lacks_key(entry, settings.client_keys) else []
    return [*missing_variables(entry, environment), *keys]


def _at_unfinished_site(
    entry: Provider, settings: CatalogueSettings, environment: Mapping[str, str]
) -> Provider | None:
    """The entry at the first site that has credentials of its own, but not all of them. Tendon doesn't start then."""
    for at_site in entry.at_sites.values():
        has_own = any(environment.get(name) for name in own_variables(at_site).values())
        if has_own and missing_settings(at_site, settings, environment):
            return at_site
    return None


def _choice(entry: Provider) -> str:
    setting = sites_setting(entry.slug)
    # The entry's page says what each of them needs.
    return f"name some in {setting}" if entry.open_sites else f"set {setting} to one or more of {','.join(entry.sites)}"


def _reason(
    entry: Provider, missing: Sequence[str], settings: CatalogueSettings, environment: Mapping[str, str]
) -> str:
    remedy = f"set {all_of(missing)}"
    if entry.slug == SANDBOX:
        off = "TENDON_SANDBOX is 0" if settings.dev else "it runs with TENDON_AUTH=dev only"
        return f"{off}; for a sandbox elsewhere {remedy}, and SANDBOX_ORIGIN to its address"
    variables = credential_variables(entry, environment)
    names = [name for name in credential_names(entry) if variables[name] in missing]
    if len(names) == len(credential_names(entry)):
        return remedy
    if variable("client_keys") in missing:
        names.append(f"key for {entry.token.algorithm}")
    return f"no {' and no '.join(name.replace('_', ' ') for name in names)}: {remedy}"


def all_of(names: Sequence[str]) -> str:
    """`A`, `A and B`, or `A, B and C`."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
