"""Who holds a provider's account: the user whose connection was the first to have it."""

from __future__ import annotations

from typing import Final

from models.sites import same_site

ACCOUNT_OWNER: Final = "account_owner"
"""The table, as a Violation names it."""


class TakenAccount(Exception):
    """The account is another user's, and only one user may have a connection to it."""


HAS_OTHER_USERS: Final = f"""EXISTS (SELECT 1 FROM connection AS c
    WHERE c.account = :account AND c.provider = :provider AND {same_site("c")} AND c.user_id <> :user_id
        AND c.access_token IS NOT NULL) AS account_shared"""  # noqa: S608 - all of it is ours
"""A column: whether a connection of another user has the account. It can't see one that is being stored just now."""
# If `exclusive`, an account of another user breaks the constraint that every account has an owner, so that nothing of
# the whole statement takes effect. The primary key makes those that come at the same time wait for each other.
OWNED: Final = """
    INSERT INTO account_owner (provider, site, account, user_id, connection_id, created_at)
    SELECT :provider, done.site, :account,
        CASE WHEN CAST(:exclusive AS boolean) AND done.account_shared AND NOT EXISTS (
            SELECT 1 FROM account_owner AS o
            WHERE o.provider = :provider AND o.site = done.site AND o.account = :account AND o.user_id = :user_id)
        THEN NULL ELSE CAST(:user_id AS text) END,
        done.id, now()
    FROM done WHERE CAST(:account AS text) IS NOT NULL
    ON CONFLICT (provider, site, account) DO UPDATE
    SET user_id = CASE WHEN CAST(:exclusive AS boolean) THEN NULL ELSE account_owner.user_id END
    WHERE account_owner.user_id <> :user_id
    RETURNING user_id <> :user_id AS account_owned"""
"""Joins a statement that returns a connection's `id` and `site`, with HAS_OTHER_USERS. `account_owned` says that the
account is another user's. If it is, and `exclusive`, a Violation of this table is raised."""
RELEASED_FORMER: Final = """
    DELETE FROM account_owner WHERE provider = :provider AND user_id = :user_id
        AND (site, account) IN (SELECT done.site, done.former_account FROM done WHERE done.account_changed)"""
"""Follows from such a statement. It releases the account that the connection had before, if it got another one."""
RELEASED_BY_CONNECTION: Final = """
    DELETE FROM account_owner
    WHERE user_id = (SELECT c.user_id FROM connection AS c WHERE c.id = (SELECT done.connection_id FROM done))
        AND connection_id = (SELECT done.connection_id FROM done)"""
"""Follows from a statement that returns a `connection_id`. It releases the account that this connection has, and one
that it had before, as long as the new one is unknown."""
