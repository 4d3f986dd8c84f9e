"""Which addresses a name may lead to, and how names are resolved."""

from __future__ import annotations

import asyncio
import threading
from ipaddress import ip_address

import httpx
import pytest

from providers.errors import ForbiddenAddress, TimedOut, Unreachable
from tests.wire.http.event_loops import on_both_loops, until
from wire.http.addresses import PublicAddresses, is_host, is_public, may_be_public, unscreened
from wire.http.client import Client, request


class NameServer:
    """Answers from `zone`; look-ups of other names hang until it is released."""

    def __init__(self, zone: dict[str, list[str]]) -> None:
        self.zone = zone
        self.asked: list[str] = []
        self.released = threading.Event()

    def look_up(self, host: str, _port: int) -> list[str]:
        self.asked.append(host)
        if host not in self.zone:
            self.released.wait()
            raise OSError("no answer")
        return self.zone[host]


async def test_a_hung_name_server_uses_one_thread_per_name() -> None:
    server = NameServer({"well.example": ["8.8.8.8"]})
    resolve = PublicAddresses(server.look_up)
    threads = threading.active_count()
    # More names than the event loop has threads.
    names = [f"hung{number}.example" for number in range(20)]
    waiting = [asyncio.create_task(resolve(name, 443)) for name in names for _ in range(10)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(resolve("well.example", 443), 10) == ["8.8.8.8"]
    assert sorted(server.asked) == sorted([*names, "well.example"])
    assert threading.active_count() <= threads + len(names) + 1
    # Some requests time out; a later one waits for the look-up in progress.
    for task in waiting[10:]:
        task.cancel()
    late = asyncio.create_task(resolve(names[0], 443))
    await asyncio.sleep(0)
    server.released.set()
    outcomes = await asyncio.gather(*waiting[:10], late, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unreachable] * 11
    assert len(server.asked) == len(names) + 1


@pytest.mark.parametrize("addresses", [[], ["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["8.8.8.8", "::1"]])
async def test_a_name_with_one_private_address_is_refused(addresses: list[str]) -> None:
    resolve = PublicAddresses(NameServer({"mixed.example": addresses}).look_up)
    with pytest.raises(ForbiddenAddress):
        await resolve("mixed.example", 443)


async def test_addresses_are_screened_for_each_connection() -> None:
    """A name that resolves to another address the second time (DNS rebinding)."""
    server = NameServer({"rebound.example": ["8.8.8.8"]})
    resolve = PublicAddresses(server.look_up)
    assert await resolve("rebound.example", 443) == ["8.8.8.8"]
    server.zone["rebound.example"] = ["127.0.0.1"]
    with pytest.raises(ForbiddenAddress):
        await resolve("rebound.example", 443)


async def test_a_failed_look_up_is_repeated() -> None:
    server = NameServer({})
    server.released.set()
    resolve = PublicAddresses(server.look_up)
    with pytest.raises(Unreachable):
        await resolve("later.example", 443)
    server.zone["later.example"] = ["8.8.8.8"]
    assert await resolve("later.example", 443) == ["8.8.8.8"]


async def test_a_hanging_look_up_times_out_with_nothing_sent() -> None:
    """The deadline includes resolving the name."""
    server = NameServer({})
    async with hanging_by_name(server) as client:
        deadline = asyncio.get_running_loop().time() + 0.1
        with pytest.raises(TimedOut) as raised:
            await client.send(request("GET", "https://hung.example/"), deadline=deadline)
    server.released.set()
    assert not raised.value.sent


def hanging_by_name(server: NameServer) -> Client:
    return Client(PublicAddresses(server.look_up), httpx.create_ssl_context(), https_only=True)


async def test_a_name_resolves_to_public_addresses_or_is_refused() -> None:
    resolve = PublicAddresses()
    assert await resolve("8.8.8.8", 443) == ["8.8.8.8"]
    for host in ("localhost", "127.1", "2130706433"):
        with pytest.raises(ForbiddenAddress):
            await resolve(host, 443)
    for nowhere in ("no such name", "a..b"):
        # Twice at once: they share the look-up.
        for failure in await asyncio.gather(*(resolve(nowhere, 443) for _ in range(2)), return_exceptions=True):
            assert isinstance(failure, Unreachable)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "192.0.1.1",
        "192.88.98.255",
        "192.88.100.0",
        "2606:4700::1111",
        "3ffe::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ],
)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.1",
        "192.0.0.9",
        "192.0.0.10",
        "192.0.2.1",
        "192.88.99.0",
        "192.88.99.255",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::8.8.8.8",
        "::ffff:10.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::808:808",
        "100::1",
        "2001:0:808:808::1",
        "2001:db8::1",
        "2002:a00:1::1",
        "3fff::1",
        "3fff:fff:ffff::1",
        "4000::1",
        "1fff::1",
        "64:ff9b::224.0.0.1",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1111%eth0",
        "ff02::1",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


# Hosts


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "acme.example",
        "acme.example.",
        "a-b._c.example",
        "a" * 63 + ".example",
        "4you.example",
        "a.1b",
        "a.0xg",
        "1.2.3.4x",
        "127.0.0.1",
        "::1",
        "2606:4700::1111",
        "fe80::1%eth0",
    ],
)
def test_hosts(host: str) -> None:
    assert is_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "a..b",
        ".a",
        "a..",
        "a" * 64 + ".example",
        "a b",
        "a/b",
        "a:1",
        "bücher.example",
        "a\n",
        "127.1",
        "127.0.0.1.",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "a.1",
        "a.0x7F",
        "a.0x",
        "[::1]",
    ],
)
def test_what_is_no_host(host: str) -> None:
    assert not is_host(host)


@pytest.mark.parametrize("host", ["localhost", "LocalHost.", "api.localhost", "a.b.LOCALHOST.", "127.0.0.1", "::1"])
def test_private_hosts(host: str) -> None:
    assert not may_be_public(host)


@pytest.mark.parametrize("host", ["acme.example", "notlocalhost", "localhost.example", "8.8.8.8", "2606:4700::1111"])
def test_hosts_that_may_be_public(host: str) -> None:
    assert may_be_public(host)


# Threads


def looking_up(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"look up {name}"]


async def test_an_operators_host_may_have_any_address() -> None:
    assert await unscreened("127.0.0.1", 443) == ["127.0.0.1"]


@on_both_loops
async def test_a_failure_that_nobody_waits_for_any_more_is_not_reported() -> None:
    server = NameServer({})
    resolve = PublicAddresses(server.look_up)
    waiting = [asyncio.create_task(resolve("hung.example", 443)) for _ in range(3)]
    await until(lambda: server.asked == ["hung.example"])
    # So that the process doesn't wait for them when it ends.
    assert [thread.daemon for thread in looking_up("hung.example")] == [True]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    server.released.set()
    await until(lambda: not looking_up("hung.example"))


def test_a_look_up_that_outlives_its_event_loop_is_dropped() -> None:
    server = NameServer({})

    async def give_up() -> None:
        asking = asyncio.create_task(PublicAddresses(server.look_up)("late.example", 443))
        await until(lambda: server.asked == ["late.example"])
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    asyncio.run(give_up())
    (thread,) = looking_up("late.example")
    server.released.set()
    # An exception in the thread would be a warning, which is an error.
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize(("host", "port"), [("one.example", 444), ("other.example", 443)])
async def test_look_ups_are_shared_for_the_same_name_and_port_only(host: str, port: int) -> None:
    server = NameServer({"one.example": ["8.8.8.8"], "other.example": ["8.8.4.4"]})
    resolve = PublicAddresses(server.look_up)
    found = await asyncio.gather(resolve("one.example", 443), resolve("one.example", 443), resolve(host, port))
    assert found == [["8.8.8.8"], ["8.8.8.8"], server.zone[host]]
    assert sorted(server.asked) == sorted(["one.example", host])
