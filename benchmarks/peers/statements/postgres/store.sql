WITH held AS (
    SELECT state_hash FROM authorization_request
    WHERE state_hash = $12 AND owner = $13 AND status = 'exchanging' FOR UPDATE
), stored AS (
    INSERT INTO connection (id, user_id, provider, created_at, updated_at, status, requested_scopes, granted_scopes,
        access_token, refresh_token, expires_at, granted_at, version)
    SELECT $1, $2, $3, $4, $4, 'connected', $5, $6, $7, $8, $9, $10, $11 + 1 FROM held
    ON CONFLICT (user_id, provider) DO UPDATE SET
        updated_at = excluded.updated_at, status = excluded.status, account = excluded.account,
        former_account = coalesce(connection.account, connection.former_account),
        requested_scopes = excluded.requested_scopes, granted_scopes = excluded.granted_scopes,
        access_token = excluded.access_token, refresh_token = excluded.refresh_token,
        expires_at = excluded.expires_at, granted_at = excluded.granted_at, version = excluded.version
    WHERE connection.version = $11
    RETURNING id, status, last_sync_at, created_at
), ended AS (
    UPDATE authorization_request AS request
    SET status = 'completed', error = NULL, connection_id = stored.id, verifier = NULL, lease_until = NULL,
        purge_after = after($14)
    FROM stored WHERE request.state_hash = $12
), noted AS (
    INSERT INTO audit_event (at, actor, client_id, subject, action, provider, connection_id, scopes, outcome,
        request_id)
    SELECT $4, $16, 'dev', $16, 'complete', $3, stored.id, $6, 'ok', $15 FROM stored
)
SELECT id, status, last_sync_at, created_at FROM stored
