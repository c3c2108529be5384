-- name: departed
SELECT family, kind, workspace, owner, object_id, after FROM departed
ORDER BY family, kind, workspace, owner, object_id
LIMIT :limit;

-- name: done
-- `ids` is a JSON list.
SELECT r.id FROM json_each(:ids) AS given CROSS JOIN records AS r ON r.id = given.value
WHERE r.state = 'done';

-- name: move
UPDATE departed SET after = :after
WHERE family = :family AND kind = :kind AND workspace = :workspace AND owner = :owner AND object_id = :object_id;

-- name: forget
DELETE FROM departed
WHERE family = :family AND kind = :kind AND workspace = :workspace AND owner = :owner AND object_id = :object_id;
