INSERT INTO connection (id, user_id, provider, created_at, updated_at, status, requested_scopes, granted_scopes,
    access_token, refresh_token, expires_at, granted_at, version)
VALUES ($1, $2, $3, $4, $4, 'connected', $5, $6, $7, $8, $9, $10, $11 + 1)
ON CONFLICT (user_id, provider) DO UPDATE SET
    updated_at = excluded.updated_at, status = excluded.status, account = excluded.account,
    former_account = coalesce(connection.account, connection.former_account),
    requested_scopes = excluded.requested_scopes, granted_scopes = excluded.granted_scopes,
    access_token = excluded.access_token, refresh_token = excluded.refresh_token,
    expires_at = excluded.expires_at, granted_at = excluded.granted_at, version = excluded.version
WHERE connection.version = $11
RETURNING id, status, last_sync_at, created_at
