"""The page where users see which apps have access to their accounts, and end it."""

from __future__ import annotations

import html
import re

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.sandbox.world import World, application, refused, serve


def page(world: World, slug: str = "sandbox") -> httpx.Response:
    return world.http.get(f"{world.base}{'' if slug == 'sandbox' else f'/{slug}'}/connections")


def text(answer: httpx.Response) -> str:
    """What a reader sees."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", answer.text, flags=re.DOTALL)))


def buttons(answer: httpx.Response) -> dict[str, str]:
    """The number of the grant by the name of its button."""
    return {name: grant for grant, name in re.findall(r'name="grant" value="(\d+)" aria-label="([^"]+)"', answer.text)}


def test_a_user_sees_who_has_access_and_ends_it(world: World) -> None:
    ann, bob = (world.connect("sandbox", account=account) for account in ("ann", "bob"))
    shown = page(world)
    assert "Last used never" in text(shown)
    assert buttons(shown).keys() == {"Remove access of sandbox to ann", "Remove access of sandbox to bob"}
    grant = buttons(shown)["Remove access of sandbox to ann"]
    done = world.http.post(f"{world.base}/connections", data={"grant": grant}, headers={"Origin": world.base})
    assert done.status_code == 303
    after = world.http.get(done.url.join(done.headers["location"]))
    assert "sandbox no longer has access to the account ann." in text(after)
    assert buttons(after).keys() == {"Remove access of sandbox to bob"}
    assert refused(world.api("sandbox", ann["access_token"]), "invalid_token", 401)
    assert refused(world.refresh("sandbox", ann["refresh_token"]), "invalid_grant")
    assert world.api("sandbox", bob["access_token"]).status_code == 200
    assert "Last used never" not in text(page(world))
    assert "You removed it." in text(page(world))


def test_all_families_of_a_grant_end_together(world: World) -> None:
    for grant in ("sleep", "offline"):
        world.connect("acme", account="ann", grant=grant)
    shown = page(world, "acme")
    assert "Scopes offline, sleep" in text(shown)
    [grant] = buttons(shown).values()
    world.http.post(f"{world.base}/acme/connections", data={"grant": grant})
    assert [family["ended"] for family in world.families()] == ["user", "user"]
    assert "No app has access." in text(page(world, "acme"))


def test_each_provider_shows_and_ends_its_own(world: World) -> None:
    world.connect("acme")
    [grant] = buttons(page(world, "acme")).values()
    assert buttons(page(world)) == {}
    assert world.http.post(f"{world.base}/connections", data={"grant": grant}).status_code == 303
    assert world.families()[0]["ended"] is None


def test_why_access_has_ended(world: World) -> None:
    world.set(families_per_grant=1)
    assert "ended" not in text(page(world))
    revoked, replaced, reused = (world.connect("sandbox", account=account) for account in ("a", "b", "c"))
    world.revoke("sandbox", revoked["access_token"])
    for _ in range(2):
        world.refresh("sandbox", reused["refresh_token"])
    world.connect("sandbox", account="b")
    code = world.approve("sandbox", account="d")["code"]
    for _ in range(2):
        world.redeem("sandbox", code)
    assert replaced
    assert re.findall(r"Account (\w) Ended \S+ \S+ UTC Reason ([^.]+)", text(page(world))) == [
        ("d", "A code was used twice"),
        ("b", "A newer connection replaced it"),
        ("c", "A refresh token was used twice"),
        ("a", "The app gave it back"),
    ]


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}])
def test_other_sites_can_neither_read_nor_use_it(world: World, headers: dict[str, str]) -> None:
    world.connect("sandbox", account="ann")
    [grant] = buttons(page(world)).values()
    url = f"{world.base}/connections"
    for answer in (world.http.get(url, headers=headers), world.http.post(url, data={"grant": grant}, headers=headers)):
        assert answer.status_code == 403
        assert "ann" not in answer.text
    assert world.families()[0]["ended"] is None


def test_the_page_is_strict(world: World) -> None:
    world.connect("sandbox", account="<script>alert(1)</script>")
    answer = page(world)
    assert "<script" not in answer.text
    policy = answer.headers["content-security-policy"]
    for directive in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"):
        assert directive in policy
    assert "unsafe" not in policy
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_it_works_under_a_prefix() -> None:
    mounted = Starlette(routes=[Mount("/sandbox", app=application())])
    with serve(mounted) as base, httpx.Client(verify=False, trust_env=False) as http:
        world = World(f"{base}/sandbox", http)
        world.connect("sandbox")
        [grant] = buttons(page(world)).values()
        done = http.post(f"{base}/sandbox/connections", data={"grant": grant})
        assert done.url.join(done.headers["location"]).path == "/sandbox/connections"
