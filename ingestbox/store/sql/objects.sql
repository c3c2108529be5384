-- name: counts
-- Counted in the order of the key first: without a sort it takes less than half the time.
SELECT family, kind, remote, SUM(n)
FROM (
    SELECT family, kind, origin <> '' AS remote, COUNT(*) AS n
    FROM objects WHERE deleted = 0
    GROUP BY origin, workspace, family, kind
) AS parts
GROUP BY family, kind, remote;

-- name: put
-- A later intake wins even if an earlier one is settled after it: then no row comes back.
INSERT INTO objects (origin, workspace, family, kind, object_id, version, intake)
VALUES ('', :workspace, :family, :kind, :object_id, 1, :intake)
ON CONFLICT (origin, workspace, family, kind, object_id) DO UPDATE
SET version = objects.version + 1, intake = excluded.intake, deleted = 0
WHERE excluded.intake >= objects.intake
RETURNING version;
