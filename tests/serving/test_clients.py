"""Clients and proxies that offer an `Upgrade` with every request: curl, Java's own client, and nginx as configured for
WebSockets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Person, begin
from tests.interfaces import GraphQL, Interface, Rest
from tests.processes import Process, free_port
from tests.sandbox_control import Sandbox

TYPENAME = '{"data":{"__typename":"Query"}}'
# What .ci/run installs.
INSTALLED = ("curl", "haproxy", "javac", "nginx")
QUERY = '{"query": "{ __typename }"}'


def program(name: str) -> str:
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin")
    if not found:
        refuse = pytest.fail if os.environ.get("CI") == "true" and name in INSTALLED else pytest.skip
        refuse(f"{name} is not installed")
    return found


@pytest.mark.parametrize("framing", [[], ["-H", "Transfer-Encoding: chunked"]], ids=["length", "chunked"])
def test_curl(any_gateway: Process, framing: list[str]) -> None:
    url = f"{any_gateway.origin}/graphql"
    once = [
        "-sS",
        "--http2",
        "-H",
        "Content-Type: application/json",
        *framing,
        "-d",
        QUERY,
        "-w",
        "\n%{num_connects}\n",
    ]
    run = subprocess.run(
        [program("curl"), *once, url, "--next", *once, url], capture_output=True, text=True, timeout=30, check=True
    )
    assert run.stdout.splitlines() == [TYPENAME, "1", TYPENAME, "0"]


def test_curl_that_knows_http_2_is_spoken(any_gateway: Process) -> None:
    """With prior knowledge of HTTP/2, which is not supported."""
    url = f"{any_gateway.origin}/livez"
    run = subprocess.run(
        [program("curl"), "-sS", "--http2-prior-knowledge", url],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert run.returncode != 0
    assert httpx.get(url, trust_env=False).status_code == 200


def test_java(any_gateway: Process) -> None:
    # A runtime alone can't run source files.
    program("javac")
    source = Path(__file__).with_name("HttpClientCheck.java")
    run = subprocess.run(
        [program("java"), "-XX:TieredStopAtLevel=1", str(source), f"{any_gateway.origin}/graphql", "6"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.stdout.splitlines() == [f"200 {TYPENAME}"] * 6, run.stderr


_NGINX = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        '' close;
    }}
    upstream tendon {{
        server 127.0.0.1:{upstream};
        keepalive 4;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://tendon;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_request_buffering {buffering};
        }}
    }}
}}
"""


@pytest.fixture(scope="module", params=["on", "off"], ids=["buffering", "streaming"])
def nginx(
    request: pytest.FixtureRequest, any_gateway: Process, tmp_path_factory: pytest.TempPathFactory
) -> Generator[str]:
    """An nginx in front of the gateway; yields its origin."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    settings = _NGINX.format(upstream=any_gateway.port, port=port, buffering=request.param)
    (folder / "nginx.conf").write_text(settings, encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")], stdout=log, stderr=log
        )
    origin = f"http://127.0.0.1:{port}"
    try:
        _await(origin, process, folder / "log")
        yield origin
    finally:
        process.kill()
        process.wait()


def _await(origin: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx.get(f"{origin}/livez", trust_env=False)
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"nginx does not listen:\n{log.read_text()}")


@pytest.mark.parametrize("kind", [Rest, GraphQL])
async def test_behind_nginx(nginx: str, sandbox: Sandbox, someone: Person, kind: type[Interface]) -> None:
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQBAAAAAAIAAAAA"}
    async with httpx.AsyncClient(trust_env=False, timeout=30, headers=headers) as client:
        api = kind(client, nginx)
        callback = await begin(api, sandbox, someone)
        for _ in range(3):
            assert (await api.complete(someone.token, **callback)).connection["userId"] == someone.id


async def test_a_body_behind_nginx_is_nobodys_request(nginx: str, someone: Person) -> None:
    """nginx reuses its connections to the gateway: bytes left on one would run before the next user's request."""
    smuggled = f"GET /v1/connections?userId={someone.id} HTTP/1.1\r\nHost: tendon\r\nX-Swallow: "
    headers = {"Content-Type": "application/json"}
    upgrade = headers | {"Connection": "Upgrade", "Upgrade": "websocket", "Authorization": "Bearer dev:mallory"}
    bearer = {"Authorization": f"Bearer {someone.token}"}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        for _ in range(5):
            attack = await client.post(f"{nginx}/v1/connections/callback", content=smuggled, headers=upgrade)
            assert (attack.status_code, attack.json()["error"]) == (400, "validation_error")
            victim = await client.post(f"{nginx}/graphql", content=QUERY, headers=headers | bearer)
            assert (victim.status_code, json.loads(victim.content)) == (200, json.loads(TYPENAME))
