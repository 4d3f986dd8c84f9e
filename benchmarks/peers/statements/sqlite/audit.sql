INSERT INTO audit_event (at, actor, client_id, subject, action, provider, scopes, outcome, request_id)
VALUES ($1, $2, 'dev', $2, $3, $4, $5, 'ok', $6)
