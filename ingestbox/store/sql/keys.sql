-- name: insert
INSERT INTO api_keys (digest, name, roles, workspace, created_by, created_ms, expires_ms)
VALUES (:digest, :name, :roles, :workspace, :created_by, :now, :expires_ms)
RETURNING id;

-- name: by_digest
SELECT id, name, roles, workspace, expires_ms, revoked_ms FROM api_keys WHERE digest = :digest;

-- name: one
SELECT id, name, roles, workspace, created_by, created_ms, expires_ms, used_ms, revoked_ms
FROM api_keys WHERE id = :id AND :workspace IN (workspace, '*');

-- name: page
-- Newest first, below the id that the last page ended with.
SELECT id, name, roles, workspace, created_by, created_ms, expires_ms, used_ms, revoked_ms
FROM api_keys WHERE workspace = :workspace AND id < :below ORDER BY id DESC LIMIT :limit;

-- name: page_everywhere
SELECT id, name, roles, workspace, created_by, created_ms, expires_ms, used_ms, revoked_ms
FROM api_keys WHERE id < :below ORDER BY id DESC LIMIT :limit;

-- name: to_revoke
SELECT digest, name, workspace, revoked_ms FROM api_keys WHERE id = :id AND :workspace IN (workspace, '*');

-- name: revoke
UPDATE api_keys SET revoked_ms = :now WHERE id = :id AND revoked_ms IS NULL;

-- name: to_rotate
SELECT digest, name, roles, workspace, expires_ms, revoked_ms
FROM api_keys WHERE id = :id AND :workspace IN (workspace, '*');

-- name: rotated
-- Whether another one took its place before.
SELECT 1 FROM audit WHERE object = 'key' AND object_id = :object_id AND action = 'key.rotate' LIMIT 1;

-- name: shorten
-- It ends at `until`, or when it would have, if that is sooner.
UPDATE api_keys SET expires_ms = MIN(COALESCE(expires_ms, :until), :until) WHERE id = :id
RETURNING expires_ms;

-- name: used
UPDATE api_keys SET used_ms = :now WHERE id = :id;
