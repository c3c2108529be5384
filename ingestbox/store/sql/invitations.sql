-- name: insert
-- The link before it, if there was one, is good no more.
INSERT OR REPLACE INTO invitations (user_id, digest, expires_ms) VALUES (:user_id, :digest, :expires_ms);

-- name: by_digest
SELECT user_id, expires_ms FROM invitations WHERE digest = :digest;

-- name: invited
-- Whose link it is, while they may use it.
SELECT u.id, u.email, u.roles, u.workspace, u.generation
FROM invitations AS i JOIN users AS u ON u.id = i.user_id
WHERE i.digest = :digest AND i.expires_ms > :now AND u.disabled_ms IS NULL;

-- name: revoke
DELETE FROM invitations WHERE user_id = :user_id;

-- name: purge
DELETE FROM invitations WHERE expires_ms <= :now;

-- name: revoke_all
-- Of a store that was put back.
DELETE FROM invitations;
