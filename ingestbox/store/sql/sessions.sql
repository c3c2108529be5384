-- name: insert
INSERT INTO sessions (digest, user_id, generation, created_ms, seen_ms, expires_ms, address, agent)
VALUES (:digest, :user_id, :generation, :now, :now, :expires_ms, :address, :agent)
RETURNING id;

-- name: by_digest
-- The session with what its user is now.
SELECT s.id, s.generation, s.seen_ms, s.expires_ms, u.id, u.email, u.roles, u.workspace, u.generation, u.disabled_ms
FROM sessions AS s JOIN users AS u ON u.id = s.user_id
WHERE s.digest = :digest;

-- name: of_user
-- Those that are good still, newest first.
SELECT s.id, s.created_ms, s.seen_ms, s.address, s.agent
FROM sessions AS s JOIN users AS u ON u.id = s.user_id
WHERE s.user_id = :user_id AND s.generation = u.generation AND s.expires_ms > :now AND s.seen_ms > :idle_since
ORDER BY s.id DESC LIMIT :limit;

-- name: seen
UPDATE sessions SET seen_ms = :now WHERE id = :id;

-- name: renew
-- The session stays good over a change of its user that ends the others.
UPDATE sessions SET generation = :generation WHERE id = :id AND user_id = :user_id;

-- name: remove
DELETE FROM sessions WHERE digest = :digest;

-- name: remove_one
DELETE FROM sessions WHERE id = :id AND user_id = :user_id;

-- name: remove_others
-- All of a user's but one; 0 keeps none.
DELETE FROM sessions WHERE user_id = :user_id AND id <> :keep;

-- name: remove_old
-- Of each user so many stay.
DELETE FROM sessions WHERE user_id = :user_id AND id <= (
    SELECT id FROM sessions WHERE user_id = :user_id ORDER BY id DESC LIMIT 1 OFFSET :most
);

-- name: purge
-- A slice of those that nobody can use any more.
DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions WHERE expires_ms <= :now OR seen_ms <= :idle_since LIMIT :limit
);

-- name: dead
-- Whether there is anything to purge, here or among the links.
SELECT EXISTS (SELECT 1 FROM sessions WHERE expires_ms <= :now)
    OR EXISTS (SELECT 1 FROM sessions WHERE seen_ms <= :idle_since)
    OR EXISTS (SELECT 1 FROM invitations WHERE expires_ms <= :now);

-- name: end_all
-- Of a store that was put back.
DELETE FROM sessions;
