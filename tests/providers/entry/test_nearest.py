from __future__ import annotations

import pytest

from providers.entry.nearest import nearest_name

AUTH = ("client_secret_basic", "client_secret_post", "none")
TOKEN = ("url", "refresh_url", "auth", "expires", "refresh", "refresh_params", "margin", "account", "account_claim")


@pytest.mark.parametrize(
    ("name", "known", "nearest"),
    [
        ("acount", TOKEN, "account"),
        ("Margin", TOKEN, "margin"),
        ("expiry", TOKEN, "expires"),
        ("client_auth", TOKEN, "auth"),
        ("account_id", TOKEN, "account"),
        ("expiration", TOKEN, "expires"),
        ("basic", AUTH, "client_secret_basic"),
        ("None", AUTH, "none"),
        ("s256", ("S256", "none"), "S256"),
        ("revocation", ("registration", "revoke"), "revoke"),
        ("scope_delimiter", ("scopes", "scope_separator"), "scope_separator"),
        ("title", ("sites", "docs"), None),
        ("magic", AUTH, None),
        ("", AUTH, None),
        ("xyz", (), None),
    ],
)
def test_the_nearest_name(name: str, known: tuple[str, ...], nearest: str | None) -> None:
    assert nearest_name(name, known) == nearest


def test_the_nearest_name_if_it_is_misspelt() -> None:
    assert nearest_name("acount", TOKEN, misspelt=True) == "account"
    assert nearest_name("user_account", TOKEN, misspelt=True) is None
