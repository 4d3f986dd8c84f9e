WITH remembered AS (
    INSERT INTO authorization_request (state_hash, user_id, provider, redirect_uri, registration, scopes, verifier,
        status, created_at, expires_at, purge_after)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', now(), after($8), after($8))
)
INSERT INTO audit_event (at, user_id, client_id, subject, action, provider, scopes, outcome, request_id)
VALUES ($9, $2, 'dev', $2, 'authorize', $3, $6, 'ok', $10)
