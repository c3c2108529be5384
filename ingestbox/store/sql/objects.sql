-- name: put
-- `puts` is a JSON list of [object_id, record id]. A later intake wins even if an earlier one is settled after it: of
-- that one no row comes back.
INSERT INTO objects (origin, workspace, family, kind, object_id, version, intake)
SELECT '', :workspace, :family, :kind, put.value ->> 0, 1, put.value ->> 1 FROM json_each(:puts) AS put WHERE true
ON CONFLICT (origin, workspace, family, kind, object_id) DO UPDATE
SET version = objects.version + 1, intake = excluded.intake, deleted = 0
WHERE excluded.intake >= objects.intake
RETURNING intake, version;

-- name: put_staged
-- Of staged rows people decide, and the last one to do so wins, whenever the row came in.
INSERT INTO objects (origin, workspace, family, kind, object_id, version, intake)
SELECT '', :workspace, :family, :kind, put.value ->> 0, 1, put.value ->> 1 FROM json_each(:puts) AS put WHERE true
ON CONFLICT (origin, workspace, family, kind, object_id) DO UPDATE
SET version = objects.version + 1, intake = excluded.intake, deleted = 0
RETURNING intake, version;
