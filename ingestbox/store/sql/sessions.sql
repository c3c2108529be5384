-- name: insert
INSERT INTO sessions (digest, user_id, generation, created_ms, seen_ms, expires_ms, address, agent)
VALUES (:digest, :user_id, :generation, :now, :now, :expires_ms, :address, :agent)
RETURNING id;

-- name: by_digest
-- The session with what its user is now.
SELECT s.id, s.generation, s.seen_ms, s.expires_ms, u.id, u.email, u.roles, u.workspace, u.generation, u.disabled_ms
FROM sessions AS s JOIN users AS u ON u.id = s.user_id
WHERE s.digest = :digest;

-- name: remove
DELETE FROM sessions WHERE digest = :digest;
