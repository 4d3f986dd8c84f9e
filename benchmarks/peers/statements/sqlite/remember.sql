INSERT INTO authorization_request (state_hash, user_id, provider, redirect_uri, registration, scopes, verifier,
    status, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', now(), after($8))
