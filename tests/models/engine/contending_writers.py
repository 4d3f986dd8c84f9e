"""Several processes that write to the same database: authorize, claim and store, as the service does it.

Arguments: the database's URL, how many processes, how many connections each of them makes. They are forks, so that all
begin at once, and share their users. The exit status is 0 if all of them have done it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from typing import Any
from uuid import uuid4

from models.database import Database, open_database
from models.vault import Vault
from providers.catalogue import Credentials, read_catalogue
from providers.token_answer import TokenAnswer
from resolvers.authorize import authorize_connection
from resolvers.background import Background
from resolvers.callback.claims import Attempt, Callback, claim
from resolvers.callback.exchange import Received
from resolvers.callback.store import store
from resolvers.caller import WRITE, Caller
from resolvers.context import Context, Registration, Resources
from resolvers.redirects import RedirectAllowList

REDIRECT_URI = "https://app.example/cb"
USERS = 5
AT_ONCE = 5


def resources(database: Database) -> Resources:
    catalogue = read_catalogue()
    nobody: Any = None
    return Resources(
        catalogue=catalogue,
        registrations={"fitbit": Registration(catalogue["fitbit"], Credentials("client", "secret"))},
        redirects=RedirectAllowList([REDIRECT_URI]),
        database=database,
        vault=Vault({"key": bytes(32)}),
        client=nobody,
        provider_timeout=30,
        background=Background(),
    )


async def connect(shared: Resources, user: str, token: str) -> None:
    context = Context(shared, Caller(user, "app", frozenset({WRITE})), uuid4().hex)
    authorization = await authorize_connection(context, "fitbit", REDIRECT_URI)
    callback = Callback("fitbit", "x", authorization.state, REDIRECT_URI)
    attempt = Attempt.of(context, user, shared.registration("fitbit"), callback)
    held = await claim(context, attempt)
    assert held is not None
    answer = TokenAnswer(token, token, "Bearer", None, None, None)
    connection = await store(context, attempt, Received(held, answer, held.claimed_at))
    assert connection.user_id == user


async def main(url: str, name: str, rounds: int) -> None:
    async with open_database(url) as database:
        shared = resources(database)
        for first in range(0, rounds, AT_ONCE):
            numbers = range(first, first + AT_ONCE)
            await asyncio.gather(*(connect(shared, f"user-{number % USERS}", f"{name}-{number}") for number in numbers))


def fork(url: str, name: str, rounds: int) -> int:
    if pid := os.fork():
        return pid
    status = 1
    try:
        asyncio.run(main(url, name, rounds))
        status = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        # Nothing of the other process is cleaned up here.
        sys.stderr.flush()
        os._exit(status)


url, processes, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
pids = [fork(url, f"writer-{number}", rounds) for number in range(processes)]
statuses = [os.waitpid(pid, 0)[1] for pid in pids]
sys.exit(any(statuses))
