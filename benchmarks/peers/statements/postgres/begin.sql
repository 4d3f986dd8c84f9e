WITH remembered AS (
    INSERT INTO authorization_request (state_hash, user_id, provider, redirect_uri, registration, scopes, verifier,
        status, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', now(), after($8))
), named AS (
    INSERT INTO audit_subject (pseudonym, user_id) VALUES ($9, $2) ON CONFLICT (pseudonym) DO NOTHING
)
INSERT INTO audit_event (at, actor, client_id, subject, action, provider, scopes, outcome, request_id)
VALUES (now(), $9, 'dev', $9, 'authorize', $3, $6, 'ok', $10)
