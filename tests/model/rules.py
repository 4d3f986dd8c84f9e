"""The rules that the model follows, one field each, so that each can be dropped on its own.

A field is named after its function and says what holds with it. `docs/adr/0014-refreshing-and-disconnecting.md` has the
reasons.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Rules:
    # take: the UPDATE that gives a process the right to send the refresh token.
    take_if_version: bool = True  # WHERE the version is the one that was read
    take_if_alive: bool = True  # and the status is connected, or error with provider_failing
    take_if_failing: bool = True  # (not only connected)
    take_if_refresh_token: bool = True  # and there is a refresh token
    take_if_unleased: bool = True  # and nobody has the lease
    take_after_quiet: bool = True  # nor had it until less than `quiet` ago without giving it back
    take_after_retry: bool = True  # and retry_at is past
    take_counts_holder: bool = True  # unsure + 1 if a holder never came back
    take_next_epoch: bool = True  # epoch + 1
    # send: the request to the provider.
    send_in_time: bool = True  # only if the lease lasts for the request and the writing
    # store: the UPDATE that writes what a refresh gave.
    store_if_consent: bool = True  # WHERE consent is what take returned
    store_if_granted_at: bool = True  # and granted_at
    store_if_alive: bool = True  # and the status is connected or error
    store_if_version: bool = True  # and the version what take returned,
    store_if_later_epoch: bool = True  # or one more
    store_in_order: bool = True  # (then only if it was written by an earlier epoch)
    store_without_lease: bool = True  # whoever has the lease now
    store_leaves_lease: bool = True  # the lease of somebody else stays
    store_sure: bool = True  # unsure = 0
    store_connected: bool = True  # status = connected
    store_keeps_token: bool = True  # a refresh token that the answer leaves out stays
    store_clears_retry: bool = True  # retry_at = NULL
    # find_fate: why nothing was stored.
    fate_stored: bool = True  # stored before, if refreshed_by is this epoch
    fate_newer: bool = True  # tokens of the same consent are discarded, never revoked
    fate_ended: bool = True  # those of an ended connection go to late
    fate_renewed: bool = True  # and those of a grant that was replaced, where a revocation ends only that
    fate_renewed_wide: bool = True  # (not elsewhere)
    # late: the tokens of an ended connection become a revocation.
    late_into_pending: bool = True  # into the pending revocation with the older ones
    late_if_unleased: bool = True  # if nobody delivers it
    late_if_version: bool = True  # and if it has the version of this refresh
    late_if_unsure: bool = True  # and no delivery has refreshed meanwhile
    # release and fail: the lease is given back.
    release_if_owner: bool = True  # WHERE the owner is this process
    fail_counts_unknown: bool = True  # unsure + 1 if the outcome is not known
    fail_waits_for_quiet: bool = True  # then retry_at is after `quiet`
    # mark: the status becomes error with reauthorization_required.
    mark_if_version: bool = True  # WHERE the version is what take returned
    mark_if_alive: bool = True  # and the status is connected, or error with provider_failing
    mark_if_failing: bool = True  # (not only connected)
    mark_only_refused: bool = True  # only after invalid_grant, however often the outcome was unknown
    mark_keeps_version: bool = True  # version and tokens stay
    # wait: for whoever is not given the lease.
    wait_for_version: bool = True  # until the version changes, not the access token
    wait_for_status: bool = True  # or the status
    wait_for_retry: bool = True  # or retry_at is set
    # disconnect: the UPDATE that ends a connection, and its revocation in the same transaction.
    disconnect_if_version: bool = True  # WHERE the version is the one that was read
    disconnect_erases: bool = True  # tokens = NULL
    disconnect_next_version: bool = True  # version + 1
    disconnect_next_consent: bool = True  # consent + 1
    disconnect_ends_lease: bool = True  # owner = NULL
    disconnect_sure: bool = True  # unsure = 0
    disconnect_revokes: bool = True  # a revocation with both tokens
    disconnect_unsure_holder: bool = True  # unsure if a refresh has the lease
    disconnect_unsure_count: bool = True  # or unsure > 0
    disconnect_due_later: bool = True  # due_at = lease_until
    # claim, exchange and store_grant: a callback.
    claim_looks: bool = True  # backs off if a wide delivery runs for this account
    claim_looks_last: bool = True  # after its claim is committed
    claim_by_account: bool = True  # by the account, not only by the user
    claim_gives_back: bool = True  # whoever backs off makes its request pending again
    claim_after_quiet: bool = True  # nor less than `quiet` after the lease of one that never came back
    grant_if_version: bool = True  # WHERE the version is the one that was read
    grant_if_held: bool = True  # and the request exists
    grant_unless_ended: bool = True  # and the row is not disconnected, or has the version of the claim
    grant_in_order: bool = True  # an older grant never replaces a newer one
    grant_next_consent: bool = True  # consent + 1
    grant_ends_lease: bool = True  # owner = NULL
    grant_sure: bool = True  # unsure = 0
    grant_clears_retry: bool = True  # retry_at = NULL
    grant_revokes_replaced: bool = True  # a revocation of the replaced tokens, where that ends only those
    grant_keeps_wide: bool = True  # (not elsewhere)
    grant_unstored: bool = True  # tokens that can't be stored become a revocation
    # deliver: a worker takes a revocation, looks, and sends it.
    deliver_when_due: bool = True  # WHERE it is due
    deliver_after_quiet: bool = (
        True  # and was not leased less than `quiet` ago by somebody who doesn't know the outcome
    )
    deliver_looks_for_claims: bool = True  # waits while a user of the account has an exchanging request
    deliver_looks_for_others: bool = True  # or another living connection is on the account
    deliver_waits_for_others: bool = True  # (it stays pending meanwhile)
    deliver_looks_for_failing: bool = True  # (one with provider_failing is living)
    deliver_not_needed: bool = True  # ends if the user has connected again
    deliver_looks_last: bool = True  # looks after its lease is committed
    deliver_looks_once: bool = True  # in one statement
    deliver_in_time: bool = True  # sends only if the lease lasts
    deliver_401_refreshes: bool = True  # 401 to an access token is not the end: refresh
    deliver_unsure_refreshes: bool = True  # refresh first if it is unsure
    deliver_keeps_pair: bool = True  # the new pair is committed before it is used
    deliver_keeps_lease: bool = True  # lease_until stays if the outcome is not known
    # erase: everything of a user, in one transaction.
    erase_at_once: bool = True  # in one transaction
    erase_requests_first: bool = True  # requests first
    erase_revokes: bool = True  # each connection as by disconnect, then deleted
    # reseal: the UPDATE that writes the same tokens under another key.
    reseal_if_version: bool = True  # WHERE the version is the one that was read
    reseal_if_sealed: bool = True  # and the ciphertext
    reseal_keeps_version: bool = True  # the version stays

    def without(self, *names: str) -> Rules:
        return replace(self, **dict.fromkeys(names, False))


RULES = Rules()


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What may happen around us. By default what the rules promise everything for; the rest are the windows."""

    answers_lost: bool = False
    """A process may die, or give up, when the provider has handled its request."""
    strays: bool = False
    """The provider may handle a refresh after nobody waits for it any more, while `quiet` has not passed."""
    stray_revocations: bool = False
    """The same for a revocation."""
    quiet_too_short: bool = False
    """Strays may be handled after `quiet`, too."""
    in_order: bool = False
    """The provider handles refreshes in the order in which they were sent."""
    grace_too_short: bool = False
    """A grace may end before a lease and the next attempt."""
    pauses: tuple[str, ...] = ("taken", "looked")
    """The steps in which a process may stop until its lease is over. It has sent nothing in these."""
    stranger: bool = False
    """Nobody knows that Bob's account is Alice's before his code is exchanged."""
