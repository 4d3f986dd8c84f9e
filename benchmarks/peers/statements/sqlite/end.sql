UPDATE authorization_request
SET status = 'completed', error = NULL, connection_id = $2, verifier = NULL, lease_until = NULL
WHERE state_hash = $1
