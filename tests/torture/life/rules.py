"""What Tendon promises of a connection's life, against the record of a run.

Pure functions, one for each promise. Each judges only what is decided whatever the order of things that overlapped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from tests.torture.history import LOST, OK, REFUSED
from tests.torture.life.record import CONNECT, DISCONNECT, ISSUE, KILL, RESTART, Act, Call, Family, Record

Findings = Iterator[tuple[str, Iterable[object]]]

CONNECTED, ERROR, DISCONNECTED = "connected", "error", "disconnected"
_OVER = "REAUTHORIZATION_REQUIRED"
_LATER = {"PROVIDER_UNAVAILABLE", "SERVICE_UNAVAILABLE"}
# After these the provider has certainly not handled the request.
_NOT_HANDLED = {"status_429", "slow_down", "opaque_400"}
# What the clocks of the sandbox and the database may be read apart.
_BLINK = 0.1


def one_at_a_time(record: Record) -> Findings:
    """Of one consent, no refresh is sent while the answer to another one is still expected, whoever sends it."""
    for family in record.families:
        latest: Call | None = None
        for call in record.refreshes(family):
            if latest is not None and call.at < latest.end and not call.stray:
                yield f"two refreshes of family {family} at once", (latest, call)
            if latest is None or call.end > latest.end:
                latest = call


def quiet_in_between(record: Record) -> Findings:
    """A refresh token is sent again only when a request with an unknown result can't be handled any more. The delivery
    of a revocation need not wait: whichever of the two the provider handles first, the consent ends."""
    sent: dict[str | None, list[Call]] = defaultdict(list)
    for call in record.refreshes():
        sent[call.sent].append(call)
    for calls in sent.values():
        for first, second in pairwise(calls):
            is_early = second.at < first.end + record.timing.quiet - _BLINK
            refused = first.fault in _NOT_HANDLED or (first.outcome == "invalid_grant" and first.hung_up is None)
            # Of one that was read late, nobody knows exactly when it was sent and given up.
            late = first.stray or second.stray
            if is_early and not late and not refused and not _is_revoked(record, first, second):
                family = record.families.get(first.family or 0)
                story = record.story(first.family or 0, user=family.account if family else None)
                yield "a refresh token was sent again too early", story


def losses_are_explained(record: Record) -> Findings:
    """A consent ends by the reuse of a token only if the answer that replaced this token was not heard, or its reader
    was killed before the commit. Or the provider read the request so late that its sender was gone, and somebody else
    had sent the token again."""
    for call in record.calls:
        if not call.reuse or not call.ended or call.sent is None or call.stray:
            continue
        used = record.first_use(call.sent)
        if used is None or not record.unheard(used):
            yield f"family {call.family} was lost though the answer came", record.story(call.family or 0)


def none_is_given_up(record: Record) -> Findings:
    """A connection is marked as lost only if the provider has ended it."""
    for row in record.rows:
        family = record.family_of(row)
        if row.status == ERROR and family is not None and family.ended is None:
            yield f"{row.user} was told that a good grant is lost", record.story(family.number, user=row.user)


def losses_are_told(record: Record) -> Findings:
    """In the end no dead connection is shown as connected. What an interrupted renewal has ended is told apart from
    what the provider has ended."""
    for row in record.rows:
        family = record.family_of(row)
        if family is None or family.ended is None:
            continue
        if row.status == CONNECTED:
            yield f"{row.user} is shown as connected, and is not", record.story(family.number, user=row.user)
        # Of a process that was killed under its lease, nobody knows whether it had sent anything.
        wrong = row.unsure > 0 and not _kills_since(record, family)
        if family.ended == "reuse":
            wrong = row.unsure == 0 and not _ended_by_a_stray(record, family)
        if row.status == ERROR and wrong:
            yield f"{row.user} is told another reason for the loss", record.story(family.number, user=row.user)


def settled_in_the_end(record: Record) -> Findings:
    """Once the faults are over, each living connection has a token that works."""
    for row in record.rows:
        after = [one for one in record.of(row.user, ISSUE) if one.began >= record.settled]
        if row.status == CONNECTED and after and not (after[-1].answer.outcome == OK and after[-1].accepted):
            family = record.family_of(row)
            yield f"{row.user} has no token in the end", record.story(family.number if family else 0, user=row.user)


def issued_tokens_work(record: Record) -> Findings:
    """A token that was issued is accepted, unless its time or its consent has ended meanwhile. It was not expired when
    it was asked for."""
    for act in record.acts:
        token = record.tokens.get(act.token or "")
        if act.token is None:
            continue
        if token is None:
            yield f"{act.user} was given a token of nobody", (act,)
            continue
        family = record.families[token.family]
        if token.expires_at <= act.began:
            yield f"{act.user} was given an expired token", (act, token)
        over = token.expires_at <= act.checked or (family.ended_at is not None and family.ended_at <= act.checked)
        if not act.accepted and not over:
            yield f"{act.user} was given a token that doesn't work", record.story(token.family, user=act.user)


def ended_stays_ended(record: Record) -> Findings:
    """After a disconnect was confirmed, no token is issued and nothing is stored until the user connects again."""
    for user in {act.user for act in record.acts}:
        consents = record.of(user, CONNECT, DISCONNECT)
        for act in consents:
            if act.action != DISCONNECT or act.answer.outcome != OK:
                continue
            # A callback that was sent before may be stored after it, if that began anew.
            others = [one for one in consents if one.action == CONNECT and one.ended > act.began]
            until = min((one.began for one in others), default=float("inf"))
            for issue in record.of(user, ISSUE):
                if act.ended < issue.began and issue.ended < until and issue.answer.outcome == OK:
                    yield f"{user} had disconnected, and a token was issued", (act, issue)
            if not others:
                for row in record.rows:
                    if row.user == user and (row.status != DISCONNECTED or row.access or row.refresh):
                        yield f"{user} had disconnected, and is connected", (act, row)


def revocations_are_delivered(record: Record) -> Findings:
    """In the end each revocation is over, and none has failed."""
    for one in record.revocations:
        if one.status in ("pending", "failed", "unsupported"):
            yield f"a revocation is {one.status} in the end", (one,)


def nothing_is_left(record: Record) -> Findings:
    """In the end no consent is valid at the provider but those of living connections. What was lost on its way to us
    nobody can revoke."""
    kept = {(row.user, row.provider): record.family_of(row) for row in record.rows if row.status != DISCONNECTED}
    for family in record.families.values():
        own = kept.get((family.account, family.provider))
        issuing = record.issuing(family.number)
        if family.ended is not None or own == family or not issuing:
            continue
        if family.provider not in record.only_tokens and (own is not None or _lost_later(record, family)):
            # Its revocation would have ended a living connection. When that was lost, the tokens were gone.
            continue
        if not (len(issuing) == 1 and (record.unheard(issuing[0]) or _timed_out(record, family, issuing[0]))):
            yield f"family {family.number} is still valid", record.story(family.number, user=family.account)


def answers_are_known(record: Record) -> Findings:
    """Of the contract; and no answer gets lost but by a kill."""
    known = {
        ISSUE: {OK, _OVER, REFUSED, LOST, *_LATER},
        DISCONNECT: {OK, REFUSED, LOST, "SERVICE_UNAVAILABLE"},
    }
    for act in record.acts:
        if act.action in known and act.answer.outcome not in known[act.action]:
            yield "an answer that nobody foresaw", (act,)
        if act.answer.outcome in (LOST, REFUSED) and not _killed(record, act):
            yield "an answer got lost though nobody was killed", (act,)


def answered_in_time(record: Record) -> Findings:
    """Whoever asks for a token waits for a lease and a little more, at most."""
    for act in (one for one in record.acts if one.action == ISSUE):
        if act.ended - act.began > record.timing.lease + record.timing.patience:
            yield f"an answer took {act.ended - act.began:.1f} s", (act,)


def nothing_is_readable(record: Record) -> Findings:
    """No token stands in the database's files, nor in a log."""
    for place in record.leaks:
        yield "a token can be read", (place,)


def _ended_by_a_stray(record: Record, family: Family) -> bool:
    """Whether a request did that its sender no longer waited for. By then, newer tokens may have been stored or not."""
    return any(call.stray and family.number in call.ended for call in record.calls)


def _is_revoked(record: Record, first: Call, second: Call) -> bool:
    """Whether the user disconnected between these two refreshes, or had given another consent before the second."""
    family = record.families.get(first.family or 0)
    if family is None:
        return False
    disconnects = record.of(family.account, DISCONNECT)
    renewed = [one for one in _later(record, family) if any(call.at < second.at for call in record.issuing(one.number))]
    return bool(renewed) or any(one.began < second.at and one.ended > first.at for one in disconnects)


def _kills_since(record: Record, family: Family) -> bool:
    """Whether anybody was killed, or did not hear an answer, since the consent's newest tokens were issued."""
    issuing, calls = record.issuing(family.number), record.refreshes(family.number)
    since = issuing[-1].at if issuing else 0.0
    doubtful = [one for one in calls if one.at > since and (one.fault or one.hung_up is not None)]
    return bool(doubtful) or any(one.kind == KILL and one.ended >= since for one in record.disturbances)


def _timed_out(record: Record, family: Family, exchange: Call) -> bool:
    """Whether the callback was told that no answer came in time: on a busy machine it may have been on its way."""
    told = [one for one in record.of(family.account, CONNECT) if one.answer.outcome == "PROVIDER_UNAVAILABLE"]
    return any(one.began <= exchange.at <= one.ended for one in told)


def _lost_later(record: Record, family: Family) -> bool:
    """Whether a later consent of the same user was lost."""
    return any(one.ended == "reuse" for one in _later(record, family))


def _later(record: Record, family: Family) -> list[Family]:
    """The later consents of the same user."""
    mine = (family.provider, family.account)
    later = [one for one in record.families.values() if one.number > family.number]
    return [one for one in later if (one.provider, one.account) == mine]


def _killed(record: Record, act: Act) -> bool:
    return any(
        one.kind in (KILL, RESTART) and one.target == act.gateway and one.began <= act.ended and one.ended >= act.began
        for one in record.disturbances
    )


RULES: dict[str, Callable[[Record], Findings]] = {
    "one refresh at a time": one_at_a_time,
    "quiet after an unknown result": quiet_in_between,
    "losses are explained": losses_are_explained,
    "no good grant is given up": none_is_given_up,
    "losses are told": losses_are_told,
    "settled in the end": settled_in_the_end,
    "issued tokens work": issued_tokens_work,
    "what has ended stays ended": ended_stays_ended,
    "revocations are delivered": revocations_are_delivered,
    "nothing is left at the provider": nothing_is_left,
    "answers are known": answers_are_known,
    "answered in time": answered_in_time,
    "nothing is readable": nothing_is_readable,
}


def violations(record: Record) -> list[str]:
    """Each with the events that show it, one a line."""
    return [
        "\n  ".join([f"{name}: {told}", *map(str, events)])
        for name, rule in RULES.items()
        for told, events in rule(record)
    ]
