INSERT INTO audit_subject (pseudonym, user_id) VALUES ($1, $2) ON CONFLICT (pseudonym) DO NOTHING
