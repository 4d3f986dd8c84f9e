INSERT INTO audit_event (at, actor, client_id, subject, action, provider, connection_id, scopes, outcome, request_id)
VALUES (now(), $1, 'dev', $1, $2, $3, $4, $5, 'ok', $6)
