-- name: put
-- A later intake wins even if an earlier one is settled after it: then no row comes back.
INSERT INTO objects (origin, workspace, family, kind, object_id, version, intake)
VALUES ('', :workspace, :family, :kind, :object_id, 1, :intake)
ON CONFLICT (origin, workspace, family, kind, object_id) DO UPDATE
SET version = objects.version + 1, intake = excluded.intake, deleted = 0
WHERE excluded.intake >= objects.intake
RETURNING version;
