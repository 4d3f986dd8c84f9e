"""The vault: what is sealed opens in its own place only, unchanged, and under a key that is still there."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from models.vault import (
    MissingKey,
    Vault,
    VaultError,
    _encoded,
    key_id_bytes,
    make_key_command,
    new_key,
    read_keys,
)

# Ids that are one flipped bit apart, so that a changed id names another key that is there.
KEYS = {key_id: bytes([number]) * 32 for number, key_id in enumerate(("k1", "k0", "k3", "c1"))}
VAULT = Vault(KEYS)
PLACE = {"table": "connection", "row": ("alice", "oura"), "column": "access_token"}
TEXT = st.text(st.characters(exclude_categories=("Cs",)))
# Few letters, so that different places easily run together to the same text.
PART = st.text("aé\x00", max_size=3)
PLACES = st.tuples(PART, st.lists(PART, max_size=3).map(tuple), PART)

# However long it takes on a busy machine.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def seal(secret: str, vault: Vault = VAULT) -> bytes:
    return vault.seal(secret, table="connection", row=("alice", "oura"), column="access_token")


def open_sealed(sealed: bytes, vault: Vault = VAULT) -> str:
    return vault.open(sealed, table="connection", row=("alice", "oura"), column="access_token")


@UNHURRIED
@given(TEXT)
def test_what_was_sealed_opens(secret: str) -> None:
    assert open_sealed(seal(secret)) == secret


def test_nothing_of_the_secret_shows() -> None:
    sealed = seal("CANARY" * 10)
    assert b"CANARY" not in sealed
    assert base64.b64encode(b"CANARY") not in sealed


def test_the_same_secret_sealed_twice_differs() -> None:
    assert len({seal("secret") for _ in range(100)}) == 100


def test_every_flipped_bit_is_refused() -> None:
    sealed = seal("secret")
    for at in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(VaultError) as raised:
            open_sealed(bytes(changed))
        assert "secret" not in str(raised.value)


def test_every_truncation_and_extension_is_refused() -> None:
    sealed = seal("secret")
    for value in (*(sealed[:end] for end in range(len(sealed))), sealed + b"\x00", b"\x00" + sealed, sealed + sealed):
        with pytest.raises(VaultError):
            open_sealed(value)


@UNHURRIED
@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda end: b"\x01\x02k1" + end))
def test_any_bytes_are_refused(value: bytes) -> None:
    with pytest.raises(VaultError):
        open_sealed(value)


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"table": "authorization_request"},
        {"row": ("bob", "oura")},
        {"row": ("alice", "fitbit")},
        {"row": ("oura", "alice")},
        {"row": ("aliceoura",)},
        {"row": ("alice", "oura", "")},
        {"column": "refresh_token"},
        {"column": "access_token "},
        {"table": "connectionalice", "row": ("", "oura")},
    ],
)
def test_a_moved_value_is_refused(elsewhere: dict[str, object]) -> None:
    there: dict[str, object] = PLACE | elsewhere
    with pytest.raises(VaultError, match="changed or moved"):
        VAULT.open(seal("secret"), **there)  # pyright: ignore[reportArgumentType]


@UNHURRIED
@given(PLACES, PLACES)
def test_two_fields_never_read_the_same(
    one: tuple[str, tuple[str, ...], str], other: tuple[str, tuple[str, ...], str]
) -> None:
    assume(one != other)
    assert _encoded(one[0], *one[1], one[2]) != _encoded(other[0], *other[1], other[2])


def test_a_value_that_an_earlier_version_sealed_opens() -> None:
    sealed = bytes.fromhex("01026b31d7e30a4df5b0dadb1dbd2e2cd739c9fd88f2a8b9750a242f198448beee7a9aae8452")
    row = ("al\u00efce", "oura", "", "12")
    assert Vault({"k1": bytes(32)}).open(sealed, table="connection", row=row, column="access_token") == "secret"


def test_columns_that_are_sealed_together_open_in_their_own_place_only() -> None:
    sealed = VAULT.seal_columns({"one": "secret", "other": None, "third": "secret"}, table="t", row=("a", "b"))
    assert list(sealed) == ["one", "other", "third"]
    assert sealed["other"] is None
    one, third = sealed["one"] or b"", sealed["third"] or b""
    # Each has a nonce of its own.
    assert one[4:16] != third[4:16]
    assert VAULT.open(one, table="t", row=("a", "b"), column="one") == "secret"
    with pytest.raises(VaultError, match="changed or moved"):
        VAULT.open(third, table="t", row=("a", "b"), column="one")


def test_rotation() -> None:
    old, new = read_keys(new_key("old")), read_keys(new_key("new"))
    before = seal("secret", Vault(old))
    both = Vault(new | old)
    after = seal("secret", both)
    assert open_sealed(before, both) == open_sealed(after, both) == "secret"
    assert open_sealed(after, Vault(new)) == "secret"
    with pytest.raises(MissingKey) as raised:
        open_sealed(before, Vault(new))
    assert str(raised.value) == "no vault key with the id old"
    with pytest.raises(MissingKey, match=r"^no vault key with the id new$"):
        open_sealed(after, Vault(old))


def test_another_key_under_the_same_id() -> None:
    with pytest.raises(VaultError, match="changed or moved"):
        open_sealed(seal("secret"), Vault({"k1": b"\xff" * 32}))


def test_an_id_that_no_setting_could_hold_is_not_repeated() -> None:
    for key_id in (b"", b"\xff\xfe", b"a b", b"a\nb", b"x" * 33):
        with pytest.raises(MissingKey, match=r"^no vault key with the id \?$"):
            open_sealed(bytes((1, len(key_id))) + key_id + bytes(40))


def test_a_vault_needs_a_key() -> None:
    with pytest.raises(VaultError, match=r"^no vault key$"):
        Vault({})


def encoded(length: int) -> str:
    return base64.b64encode(RANDOM[:length]).decode()


# As random as a key must be, and the same in every run.
RANDOM = hashlib.sha512(b"a key").digest()


def test_keys_as_the_setting_writes_them() -> None:
    setting = f"  new:{encoded(32)}\n\told-1_X:{encoded(32)} "
    assert read_keys(setting) == {"new": RANDOM[:32], "old-1_X": RANDOM[:32]}
    assert list(read_keys(setting)) == ["new", "old-1_X"]


def test_a_new_key_is_new() -> None:
    one, other = read_keys(new_key("a")), read_keys(new_key("a"))
    assert len(one["a"]) == 32
    assert one != other


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("", "no vault key"),
        (" \n", "no vault key"),
        (f"main:{encoded(31)}", "the vault key main has 31 bytes, not 32"),
        (f"main:{encoded(33)}", "the vault key main has 33 bytes, not 32"),
        (f"main:{encoded(16)}", "the vault key main has 16 bytes, not 32"),
        (f"main:{encoded(32)[:-1]}", "the vault key main is not base64"),
        (f"main:{encoded(32)[:-2]}!=", "the vault key main is not base64"),
        (f"main:é{encoded(32)}", "the vault key main is not base64"),
        (f"main:x:{encoded(32)}", "the vault key main is not base64"),
        (f"main:{encoded(32)} main:{encoded(32)}", "the vault key id main is listed twice"),
    ],
)
def test_a_key_that_can_not_be_used(setting: str, message: str) -> None:
    with pytest.raises(VaultError) as raised:
        read_keys(setting)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "key",
    [
        *(bytes([byte]) * 32 for byte in (0, 1, 0x41, 0xFF)),
        bytes(31) + b"\x01",
        b"changeme" * 4,
        b"\x00\x01" * 16,
        bytes(range(32)),
        bytes(range(255, 223, -1)),
        bytes(byte * 7 % 256 for byte in range(32)),
        b"0123456789abcdef" * 2,
        b"correct horse battery staple, 32",
        b"a line of 31 printable letters.\n",
        b"a line\twith a tab, 32 character\r",
        b"to the last character, which is\x7f",
        # Seven distinct bytes, in no order.
        b"\x00\x99\x17\xf0\x42\xc3\x88" * 4 + b"\x42\x00\xf0\x99",
    ],
)
def test_a_key_that_anybody_could_guess(key: bytes) -> None:
    with pytest.raises(VaultError) as raised:
        read_keys(f"main:{base64.b64encode(key).decode()}")
    command = make_key_command("main")
    assert str(raised.value) == (
        f"the vault key main is a pattern or text, not random bytes: make one with `{command}`"
    )


@pytest.mark.parametrize(
    "key",
    [
        # Eight distinct bytes.
        b"\x00\x99\x17\xf0\x42\xc3\x88\x07" * 4,
        b"other control characters are no text\x1f"[-32:],
        "é is no ASCII, and so no text here".encode()[:32],
        # The last step differs from the others.
        bytes([*range(31), 99]),
    ],
)
def test_a_key_that_is_no_pattern_and_no_text(key: bytes) -> None:
    assert read_keys(f"main:{base64.b64encode(key).decode()}") == {"main": key}


def test_a_vault_takes_keys_of_their_length_only() -> None:
    for length in (0, 16, 31, 33):
        with pytest.raises(VaultError, match=r"^a vault key does not have 32 bytes$"):
            Vault({"k1": bytes(32), "k2": bytes(length)})


def test_the_first_key_is_active() -> None:
    assert Vault({"k2": bytes(32), "k1": bytes(32)}).active == "k2"


def test_the_layout_of_a_sealed_value() -> None:
    """Whoever reads it elsewhere relies on it."""
    sealed = seal("secret", Vault({"key-7": bytes(32)}))
    assert sealed[:7] == b"\x01\x05key-7"
    assert len(sealed) == 7 + 12 + len("secret") + 16
    assert key_id_bytes("key-7") == sealed[1:7]


def test_ids_of_up_to_thirty_two_characters() -> None:
    assert list(read_keys(f"{'x' * 32}:{encoded(32)}")) == ["x" * 32]


def test_the_command_that_the_message_names_makes_a_key() -> None:
    for _ in range(3):
        made = subprocess.run(make_key_command("k-1"), shell=True, capture_output=True, text=True, check=True)
        assert len(read_keys(made.stdout)["k-1"]) == 32


@UNHURRIED
@given(st.binary(min_size=32, max_size=32))
def test_a_key_is_refused_for_a_pattern_only(key: bytes) -> None:
    assume(len(set(key)) > 16 and key != bytes(sorted(key)) and key != bytes(sorted(key, reverse=True)))
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    assume(len(steps) > 1 and not key.isascii())
    assert read_keys(f"main:{base64.b64encode(key).decode()}") == {"main": key}


@pytest.mark.parametrize(
    "setting",
    [
        encoded(32),
        f":{encoded(32)}",
        f"a b:{encoded(32)}",
        f"ä:{encoded(32)}",
        f"{'x' * 33}:{encoded(32)}",
        "main:",
        # The two parts the wrong way round: a whole key can't pass for an id.
        f"{encoded(32)}:main",
        f"{encoded(32).replace('=', '')}:main",
    ],
)
def test_what_is_no_pair(setting: str) -> None:
    with pytest.raises(VaultError) as raised:
        read_keys(setting)
    assert str(raised.value) == "a vault key is `id:base64`, the id of letters, digits, `_` and `-`"


@UNHURRIED
@given(st.text())
def test_any_setting_is_read_or_refused_without_the_key(setting: str) -> None:
    try:
        said = [len(key) for key in read_keys(f"main:CANARY{setting}").values()]
    except VaultError as refused:
        said = str(refused)
    assert "CANARY" not in said if isinstance(said, str) else set(said) == {32}
