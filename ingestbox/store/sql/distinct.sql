-- name: departed
SELECT family, kind, workspace, owner, object_id, after FROM departed
ORDER BY family, kind, workspace, owner, object_id
LIMIT :limit;

-- name: depart
INSERT OR REPLACE INTO departed (family, kind, workspace, owner, object_id)
VALUES (:family, :kind, :workspace, :owner, :object_id);

-- name: records
-- `ids` is a JSON list. The casts as in records.pending.
SELECT r.id, CAST(r.key AS BLOB), r.state, CAST(r.payload AS BLOB), r.crc
FROM json_each(:ids) AS given CROSS JOIN records AS r ON r.id = given.value;

-- name: move
UPDATE departed SET after = :after
WHERE family = :family AND kind = :kind AND workspace = :workspace AND owner = :owner AND object_id = :object_id;

-- name: forget
DELETE FROM departed
WHERE family = :family AND kind = :kind AND workspace = :workspace AND owner = :owner AND object_id = :object_id;
