UPDATE authorization_request
SET status = 'exchanging', code_hash = $6, owner = $7, lease_until = after($8), purge_after = NULL
WHERE state_hash = $1 AND user_id = $2 AND provider = $3 AND redirect_uri = $4 AND registration = $5
    AND site = '' AND status = 'pending' AND expires_at > now()
RETURNING verifier, text(now()) AS claimed_at,
    (SELECT version FROM connection AS c WHERE c.user_id = $2 AND c.provider = $3 AND c.site = '') AS version
