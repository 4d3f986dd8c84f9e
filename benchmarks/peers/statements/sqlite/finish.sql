UPDATE authorization_request
SET status = 'completed', error = NULL, connection_id = $3, verifier = NULL, lease_until = NULL,
    purge_after = after($4)
WHERE state_hash = $1 AND owner = $2 AND status = 'exchanging'
RETURNING status
