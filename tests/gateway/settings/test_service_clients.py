"""TENDON_SERVICES: every list of clients can be written, and every value is a list or refused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.service_clients import KNOWN_SCOPES, read_service_clients

CLIENT_IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
SCOPES = st.frozensets(st.sampled_from(KNOWN_SCOPES), min_size=1)
PIECES = st.lists(st.sampled_from([*KNOWN_SCOPES, "a", "=", ",", ";", " ", "\n", "é", "read:token"]), max_size=12)


@given(st.dictionaries(CLIENT_IDS, SCOPES, max_size=4))
def test_every_list_can_be_written(clients: dict[str, frozenset[str]]) -> None:
    written = " ".join(f"{client_id}={','.join(scopes)}" for client_id, scopes in clients.items())
    assert read_service_clients(written) == clients


@given(PIECES.map("".join) | st.text(max_size=40))
def test_whatever_is_written(setting: str) -> None:
    try:
        clients = read_service_clients(setting)
    except ValueError as fault:
        assert str(fault).startswith("entry ")  # noqa: PT017 - not all of them are refused
    else:
        assert len(clients) == len(setting.split())
        assert all(scopes and scopes <= set(KNOWN_SCOPES) for scopes in clients.values())
