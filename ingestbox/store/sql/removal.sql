-- name: remove
-- The object stays as its tombstone, a version further, so that a late `put` upstream does not bring it back.
UPDATE objects SET version = version + 1, deleted = 1
WHERE origin = '' AND workspace = :workspace AND family = :family AND kind = :kind AND object_id = :object_id
  AND deleted = 0
RETURNING version, intake;
