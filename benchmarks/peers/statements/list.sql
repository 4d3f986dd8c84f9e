SELECT text(id) AS id, user_id, provider, status, shown(last_sync_at) AS last_sync_at, shown(created_at) AS created_at
FROM connection AS c WHERE user_id = $1 ORDER BY c.created_at, c.id
