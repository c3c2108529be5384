-- name: insert
INSERT INTO audit (at_ms, workspace, actor, action, object, object_id, before, after, request_id)
VALUES (:now, :workspace, :actor, :action, :object, :object_id, :before, :after, :request_id);

-- name: page
-- Newest first, below the id that the last page ended with.
SELECT id, at_ms, workspace, actor, action, object, object_id, before, after, request_id
FROM audit
WHERE workspace = :workspace AND id < :below
ORDER BY id DESC
LIMIT :limit;
