SELECT id, user_id, provider, status, last_sync_at, created_at FROM connection WHERE user_id = $1
ORDER BY created_at, id
