INSERT INTO connection (id, user_id, provider, site, created_at, updated_at, status, status_reason, requested_scopes,
    granted_scopes, access_token, refresh_token, expires_at, granted_at, version, consent)
SELECT $3, user_id, provider, site, now(), now(), 'connected', NULL, scopes,
    $4, $5, $6, after($7), $8, $9 + 1, 1
FROM authorization_request WHERE state_hash = $1 AND owner = $2 AND status = 'exchanging'
ON CONFLICT (user_id, provider, site) DO UPDATE SET
    updated_at = excluded.updated_at, status = excluded.status, status_reason = excluded.status_reason,
    account = excluded.account, former_account = coalesce(connection.account, connection.former_account),
    requested_scopes = excluded.requested_scopes, granted_scopes = excluded.granted_scopes,
    access_token = excluded.access_token, refresh_token = excluded.refresh_token,
    expires_at = excluded.expires_at, granted_at = excluded.granted_at, version = excluded.version,
    consent = connection.consent + 1, due_at = NULL, renewed()
WHERE connection.version = $9
RETURNING id, user_id, provider, status, shown(last_sync_at) AS last_sync_at, shown(created_at) AS created_at
