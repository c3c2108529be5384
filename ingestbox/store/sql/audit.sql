-- name: insert
INSERT INTO audit (at_ms, workspace, actor, action, object, object_id, before, after, request_id)
VALUES (:now, :workspace, :actor, :action, :object, :object_id, :before, :after, :request_id);

-- name: page
-- Newest first, below the id that the last page ended with. At most `scan` lines are looked at: a filter that
-- matches little must not read the whole trail.
SELECT id, at_ms, workspace, actor, action, object, object_id, before, after, request_id
FROM (SELECT * FROM audit WHERE workspace = :workspace AND id < :below ORDER BY id DESC LIMIT :scan)
WHERE (:actor IS NULL OR actor = :actor) AND (:action IS NULL OR action = :action)
AND (:object IS NULL OR object = :object) AND at_ms >= :since_ms AND at_ms < :until_ms
ORDER BY id DESC
LIMIT :limit;

-- name: reach
-- How many lines `page` looked at, and the last of them.
SELECT COUNT(*), MIN(id)
FROM (SELECT id FROM audit WHERE workspace = :workspace AND id < :below ORDER BY id DESC LIMIT :scan);

-- name: page_everywhere
SELECT id, at_ms, workspace, actor, action, object, object_id, before, after, request_id
FROM (SELECT * FROM audit WHERE id < :below ORDER BY id DESC LIMIT :scan)
WHERE (:actor IS NULL OR actor = :actor) AND (:action IS NULL OR action = :action)
AND (:object IS NULL OR object = :object) AND at_ms >= :since_ms AND at_ms < :until_ms
ORDER BY id DESC
LIMIT :limit;

-- name: reach_everywhere
SELECT COUNT(*), MIN(id) FROM (SELECT id FROM audit WHERE id < :below ORDER BY id DESC LIMIT :scan);

-- name: page_of_object
SELECT id, at_ms, workspace, actor, action, object, object_id, before, after, request_id
FROM (
    SELECT * FROM audit
    WHERE object = :object AND object_id = :object_id AND id < :below ORDER BY id DESC LIMIT :scan
)
WHERE :workspace IN (workspace, '*')
AND (:actor IS NULL OR actor = :actor) AND (:action IS NULL OR action = :action)
AND at_ms >= :since_ms AND at_ms < :until_ms
ORDER BY id DESC
LIMIT :limit;

-- name: reach_of_object
SELECT COUNT(*), MIN(id)
FROM (
    SELECT id FROM audit
    WHERE object = :object AND object_id = :object_id AND id < :below ORDER BY id DESC LIMIT :scan
);

-- name: newest
-- When the last entry was made; 0 of an empty trail.
SELECT coalesce(max(at_ms), 0)
FROM audit;

-- name: relied_on
-- What somebody relies on that was done since, and that a copy from before does not know of: what was ended or removed.
-- The trail is read once, where a store is put back.
SELECT action, object, object_id, at_ms
FROM audit
WHERE at_ms >= :since AND (
    action IN ('key.revoke', 'key.rotate', 'secret.rotate', 'user.accept_invitation', 'user.change_password',
               'user.remove', 'user.sign_out_everywhere', 'user.update')
    OR (action = 'erasure.begin' AND json_extract(after, '$.dry_run') IS NOT 1)
)
ORDER BY action <> 'erasure.begin', id
LIMIT :limit;
