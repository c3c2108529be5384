-- name: insert
INSERT INTO api_keys (digest, name, roles, workspace, created_by, created_ms, expires_ms)
VALUES (:digest, :name, :roles, :workspace, :created_by, :now, :expires_ms)
RETURNING id;

-- name: by_digest
SELECT id, name, roles, workspace, expires_ms, revoked_ms FROM api_keys WHERE digest = :digest;

-- name: list
SELECT id, name, roles, workspace, created_by, created_ms, expires_ms, used_ms, revoked_ms
FROM api_keys WHERE workspace = :workspace ORDER BY id DESC LIMIT :limit;

-- name: revoke
UPDATE api_keys SET revoked_ms = COALESCE(revoked_ms, :now)
WHERE id = :id AND workspace = :workspace
RETURNING digest;

-- name: used
UPDATE api_keys SET used_ms = :used_ms WHERE id = :id AND COALESCE(used_ms, 0) < :used_ms;
