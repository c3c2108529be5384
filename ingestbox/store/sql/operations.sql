-- name: page
-- Newest first, below an id, with what the trail says of each; without a limit: the reader stops when it has enough.
SELECT o.id, o.workspace, o.actor, o.at_ms, o.job_id, o.rule_id, o.undone_ms, a.after
FROM bulk_operations AS o LEFT JOIN audit AS a ON a.id = o.id
WHERE o.id < :below
ORDER BY o.id DESC;

-- name: first
-- The first of the rows that an operation changed.
SELECT MIN(record_id) FROM bulk_changes WHERE operation = :operation;

-- name: count
-- How many they are, up to `limit`.
SELECT COUNT(*) FROM (SELECT 1 FROM bulk_changes WHERE operation = :operation LIMIT :limit);

-- name: job
SELECT public_id, name, workspace, family, created_by FROM jobs WHERE id = :id;

-- name: of_rules
-- How often each of these rules (a JSON list) was applied to an import, and when last.
SELECT o.rule_id, COUNT(*), MAX(o.at_ms)
FROM bulk_operations AS o
WHERE o.rule_id IN (SELECT value FROM json_each(:rules))
GROUP BY o.rule_id;
