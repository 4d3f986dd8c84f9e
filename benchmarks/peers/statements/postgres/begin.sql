WITH remembered AS (
    INSERT INTO authorization_request (state_hash, user_id, provider, redirect_uri, registration, scopes, verifier,
        status, created_at, expires_at, purge_after)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', now(), after($8), after($8))
), named AS (
    INSERT INTO audit_subject (pseudonym, user_id) VALUES ($11, $2) ON CONFLICT (pseudonym) DO NOTHING
)
INSERT INTO audit_event (at, actor, client_id, subject, action, provider, scopes, outcome, request_id)
VALUES ($9, $11, 'dev', $11, 'authorize', $3, $6, 'ok', $10)
