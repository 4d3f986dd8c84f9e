"""The page of one provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from providers.credentials import credential_names, environment_name, own_variables
from providers.entry.provider import Provider
from providers.entry.values import NO_PARAMS
from providers.open_sites import site_variable, stand_in
from scripts.provider_docs.api import api
from scripts.provider_docs.protocol import protocol
from scripts.provider_docs.words import code, host, link, listed, prose, table, target

CATEGORIES: Final = {
    "wearable": "wearable",
    "training": "training",
    "glucose": "glucose",
    "measurement": "scales and blood pressure",
    "health_record": "health records",
    "identity": "identity",
    "platform": "data of many devices",
    "development": "development",
    "other": "other",
}
_SIGN_UPS: Final = {
    "open": "Anybody may register an app.",
    "review": "Anybody may register an app, which the vendor reviews.",
    "partners": "Only companies with a contract get credentials.",
    "held": "The vendor registers no new apps for now.",
    "closed": "The vendor registers no new apps any more.",
}
_REDIRECTS: Final = {
    "exact": "Register each redirect URI exactly as your app sends it.",
    "prefix": "A redirect URI must begin with a registered one, and may go on with a path and a query.",
    "host": "The host of a redirect URI must be the registered one; the rest may be anything.",
}
SURE: Final = {
    "documented": "documented",
    "implementations": "implementations",
    "unverified": "unverified",
}


def page(entry: Provider, variables: Mapping[str, str] = NO_PARAMS) -> str:
    """The page in Markdown, which ends with a line break. `variables` are those of the file, with their defaults."""
    text = "\n\n".join(_parts(entry, variables)) + "\n"
    for name in entry.site_variables:
        text = text.replace(stand_in(name), f"{{{name}}}")
    return text


def _parts(entry: Provider, variables: Mapping[str, str]) -> Iterator[str]:
    yield f"<!-- Written by `make providers-docs` from providers/catalogue/{entry.slug}.toml. -->"
    yield f"# {prose(entry.name)}"
    yield _facts(entry)
    if entry.lifecycle.ends:
        yield f"**The vendor has announced the end of this API for {entry.lifecycle.ends}.**"
    yield "## Getting credentials"
    yield from _credentials(entry)
    yield from _variables(entry, variables)
    if entry.sites:
        yield from _sites(entry)
    if entry.open_sites:
        yield from _open_sites(entry)
    yield "## Scopes"
    yield _scopes(entry)
    yield "## What Tendon does"
    yield "\n".join(f"- **{name}:** {text}" for name, text in protocol(entry))
    if entry.notes:
        yield "## Good to know"
        yield prose(entry.notes)
    if facts := [*api(entry)]:
        yield "## The API"
        yield "Tendon doesn't read data. These facts are for the services that do."
        yield "\n".join(f"- **{name}:** {text}" for name, text in facts)
    yield "## Sources"
    yield _sources(entry)


def _facts(entry: Provider) -> str:
    facts = [
        f"slug {code(entry.slug)}",
        f"category: {CATEGORIES[entry.category]}",
        f"[the vendor's documentation]({target(entry.docs)})",
        f"[the entry](../../providers/catalogue/{entry.slug}.toml)",
    ]
    return " · ".join(facts)


def _credentials(entry: Provider) -> Iterator[str]:
    registration, lifecycle = entry.registration, entry.lifecycle
    done = "managed" if lifecycle.sign_ups in ("held", "closed") else "registered"
    where = f"Apps are {done} at <{registration.portal}>." if registration.portal else f"Start at {link(entry.docs)}."
    notes = [prose(note or "") for note in (lifecycle.note, registration.note)]
    if lifecycle.sign_ups == "review" and not lifecycle.note:
        notes[0] = "Only a few users can connect until then."
    yield " ".join(filter(None, [_SIGN_UPS[lifecycle.sign_ups], notes[0], where, notes[1]]))
    yield f"{_REDIRECTS[registration.redirect]} Add it to `TENDON_REDIRECT_URIS`, too."
    yield "Then set these variables, in the environment or in `.env`:"
    names = [environment_name(entry.slug, name) for name in credential_names(entry)]
    yield "\n".join(["```sh", *(f"{name}=…" for name in names), "```"])
    if entry.token.auth == "none":
        yield "There is no client secret."
    if entry.token.algorithm:
        yield (
            f"There is no client secret. `TENDON_CLIENT_KEYS` must name a file with a key for {entry.token.algorithm},"
            " whose public part is registered with the app, or found by the provider at `/.well-known/jwks.json`; see"
            " [client keys](../operating.md#client-keys)."
        )


def _variables(entry: Provider, variables: Mapping[str, str]) -> Iterator[str]:
    at_all_sites = set(variables) if entry.sites else set[str]()
    for site in entry.sites.values():
        at_all_sites &= site.variables.keys()
    shown = {name: value for name, value in variables.items() if value and name not in at_all_sites}
    if shown:
        yield "These have defaults, which the environment may change:"
        rows = [[code(environment_name(entry.slug, name)), code(value)] for name, value in shown.items()]
        yield table(["variable", "default"], rows)


def _sites(entry: Provider) -> Iterator[str]:
    own = listed(code(name) for name in own_variables(next(iter(entry.at_sites.values()))).values())
    yield (
        f"{prose(entry.name)} has several [sites](../catalogue.md#sites), and each is a connection of its own. A site"
        f" may have its own credentials, such as {own}."
    )
    yield table(
        ["site", "name", "host", "offered"],
        [
            [
                code(id_),
                prose(site.name),
                code(host(entry.at_sites[id_].token.url)),
                "yes" if site.offered else f"if {code(environment_name(entry.slug, 'sites'))} names it",
            ]
            for id_, site in entry.sites.items()
        ],
    )
    if entry.open_sites:
        return
    shown = next((id_ for id_, at in entry.at_sites.items() if at.token.url == entry.token.url), None)
    where = "differ from site to site" if shown is None else f"are those of {code(shown)}"
    yield f"The URLs below {where}."


def _open_sites(entry: Provider) -> Iterator[str]:
    setting = environment_name(entry.slug, "sites")
    example = ["mgh", "ucsf"]
    needed = [site_variable(entry.slug, id_, name) for id_ in example for name in entry.site_variables]
    named = [site_variable(entry.slug, example[0], name) for name in ("name", "client_id", "client_secret")]
    yield (
        f"You name the [sites](../catalogue.md#sites-that-you-name) that your users can connect to, with ids of your"
        f" choice, in {code(setting)}. Each needs variables of its own:"
    )
    yield "\n".join(["```sh", f"{setting}={','.join(example)}", *(f"{name}=…" for name in needed), "```"])
    yield (
        f"{code(named[0])} is the name that users see; without it, they see the id. A site may have its own"
        f" credentials, such as {code(named[1])} and {code(named[2])}. In the URLs below,"
        f" {listed(code(f'{{{name}}}') for name in entry.site_variables)} stands for the site's own value."
    )


def _scopes(entry: Provider) -> str:
    scopes = entry.explained_scopes
    if not scopes:
        return "Tendon asks for no scopes."
    if not entry.scopes:
        return f"Tendon asks for {listed(code(each.scope) for each in scopes)}."
    rows = [[code(each.scope), prose(each.description or ""), "yes" if each.requested else "no"] for each in scopes]
    found = table(["scope", "what users allow", "requested"], rows)
    return found if entry.authorize.scopes else f"Tendon's request names no scopes. The provider has these:\n\n{found}"


def _sources(entry: Provider) -> str:
    if not entry.sources:
        return f"The entry names no sources but {link(entry.docs)}."
    return table(
        ["facts", "source", "seen", "how sure", "doubt"],
        [
            [prose(each.facts), link(each.url), str(each.seen), SURE[each.sure], prose(each.note or "")]
            for each in entry.sources
        ],
    )
