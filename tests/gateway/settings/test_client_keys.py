"""TENDON_CLIENT_KEYS: which files are read, and what is said of those that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import read_catalogue_settings, read_environment
from gateway.settings.client_keys import read_client_keys
from gateway.settings.model import Settings
from gateway.settings.reading import settings_of
from gateway.settings.registrations import read_registrations
from gateway.settings.warnings import settings_warnings
from providers.catalogue import read_catalogue
from tests.client_keys import as_pem, ec_key, key_of_primes, rsa_key
from tests.gateway.settings.reader import DEV, Read
from wire.tables import Invalid

RSA, EC = as_pem(rsa_key()), as_pem(ec_key())
SIGNING = """
slug = "acme"
name = "Acme Ring"
docs = "https://acme.example"
[authorize]
url = "https://acme.example/authorize"
[token]
url = "https://acme.example/token"
auth = "private_key_jwt"
algorithm = "RS512"
"""
NO_KEY = "TENDON_CLIENT_KEYS: must name a file with a key for RS512, because ACME_CLIENT_ID is set"


def written(folder: Path, name: str, content: bytes, mode: int = 0o600) -> str:
    file = folder / name
    file.write_bytes(content)
    file.chmod(mode)
    return str(file)


def catalogue(folder: Path) -> dict[str, str]:
    (folder / "catalogue").mkdir()
    (folder / "catalogue" / "acme.toml").write_text(SIGNING, encoding="utf-8")
    return {"CATALOGUE": str(folder / "catalogue")}


def test_keys_in_their_order(tmp_path: Path) -> None:
    first, second = written(tmp_path, "a.pem", EC), written(tmp_path, "b.pem", RSA, 0o400)
    keys = read_client_keys(f" {first}\t{second} ", None)
    assert [key.algorithms[0] for key in keys] == ["ES256", "RS256"]


def test_each_file_that_is_refused_is_reported(read: Read, tmp_path: Path) -> None:
    good, again = written(tmp_path, "CANARY.pem", RSA), written(tmp_path, "again.pem", RSA)
    names = [
        good,
        str(tmp_path / "CANARY"),
        str(tmp_path),
        "~/key.pem",
        written(tmp_path, "group.pem", EC, 0o640),
        written(tmp_path, "others.pem", EC, 0o604),
        written(tmp_path, "writable.pem", EC, 0o602),
        written(tmp_path, "weak.pem", as_pem(key_of_primes(521, 607))),
        written(tmp_path, "long.pem", b" " * 65_537),
        again,
    ]
    not_a_file = "is not a file: write the paths of files, with spaces between them"
    open_to_others = "may be read or written by others: its owner must `chmod 600` it, or its key must be replaced"
    assert read.lines(DEV | {"CLIENT_KEYS": " ".join(names)}) == [
        f"TENDON_CLIENT_KEYS: number 2 {not_a_file}",
        f"TENDON_CLIENT_KEYS: number 3 {not_a_file}",
        "TENDON_CLIENT_KEYS: number 4 has a `~`, which is not expanded: write the full path",
        f"TENDON_CLIENT_KEYS: number 5 {open_to_others}",
        f"TENDON_CLIENT_KEYS: number 6 {open_to_others}",
        f"TENDON_CLIENT_KEYS: number 7 {open_to_others}",
        "TENDON_CLIENT_KEYS: number 8 has a key of 1128 bits: it must have 2048 to 4096",
        "TENDON_CLIENT_KEYS: number 9 is too long for a key",
        "TENDON_CLIENT_KEYS: number 10 has the same key as number 1: remove one of them",
    ]


def test_a_list_without_files() -> None:
    with pytest.raises(Invalid, match="names no file"):
        read_client_keys("  ", None)


def test_a_provider_gets_the_first_key_that_fits(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_CLIENT_ID", "id")
    other = as_pem(rsa_key())
    names = [written(tmp_path, "ec.pem", EC), written(tmp_path, "a.pem", RSA), written(tmp_path, "b.pem", other)]
    settings = read(DEV | catalogue(tmp_path) | {"CLIENT_KEYS": " ".join(names)})
    _, registrations = read_registrations(settings, read_environment())
    credentials = registrations["acme"].credentials
    assert credentials.key == settings.client_keys[1]
    assert (credentials.client_secret, credentials.algorithm) == (None, "RS512")


@pytest.mark.parametrize("kinds", [(), (EC,)])
def test_an_id_without_a_fitting_key(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: tuple[bytes, ...]
) -> None:
    monkeypatch.setenv("ACME_CLIENT_ID", "id")
    names = [written(tmp_path, f"{number}.pem", content) for number, content in enumerate(kinds)]
    keys = {"CLIENT_KEYS": " ".join(names)} if names else {}
    assert read.starting(DEV | catalogue(tmp_path) | keys).splitlines() == [NO_KEY]
    # With other mistakes, too.
    assert NO_KEY in read.lines(DEV | keys | {"RATE_LIMIT": "x"})


def test_without_credentials_no_key_is_needed(read: Read, tmp_path: Path) -> None:
    _, registrations = read_registrations(read(DEV | catalogue(tmp_path)), read_environment())
    assert "acme" not in registrations


def test_a_key_that_cant_be_read_is_not_missing(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_CLIENT_ID", "id")
    (line,) = read.lines(DEV | catalogue(tmp_path) | {"CLIENT_KEYS": written(tmp_path, "a.pem", b"CANARY")})
    assert line.startswith("TENDON_CLIENT_KEYS: number 1 has no private key")


def test_other_commands_read_them(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENDON_CLIENT_KEYS", written(tmp_path, "a.pem", RSA))
    assert len(read_catalogue_settings().client_keys) == 1


def test_keys_that_nobody_asks_for(tmp_path: Path) -> None:
    folder = Path(catalogue(tmp_path)["CATALOGUE"])
    settings = settings_of(Settings, {"auth": "dev", "client_keys": written(tmp_path, "a.pem", RSA)})
    entries = read_catalogue(folder, variables={})

    def warned(environment: dict[str, str]) -> list[tuple[str, str]]:
        return [(each.about, each.reason) for each in settings_warnings(settings, environment, entries)]

    unused = ("TENDON_CLIENT_KEYS", "no provider that has credentials requires a signature")
    assert warned({}) == [unused]
    assert warned({"ACME_CLIENT_ID": "id"}) == []
