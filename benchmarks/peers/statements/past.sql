SELECT state_hash, status FROM authorization_request WHERE purge_after < now() LIMIT $1
