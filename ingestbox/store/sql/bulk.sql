-- name: begin
-- Its line in the trail was written in this transaction.
INSERT INTO bulk_operations (id, workspace, actor, at_ms, job_id, rule_id)
VALUES ((SELECT MAX(id) FROM audit), :workspace, :actor, :now, :job_id, :rule_id)
RETURNING id;

-- name: of_rule
SELECT id FROM bulk_operations WHERE job_id = :job_id AND rule_id = :rule_id;

-- name: one
SELECT workspace, actor FROM bulk_operations WHERE id = :id;

-- name: counted
-- Rows that the operation gave up, and those that it changed; a row counts as what it became last.
SELECT COALESCE(SUM(discarded), 0), COALESCE(SUM(1 - discarded), 0) FROM bulk_changes WHERE operation = :operation;

-- name: keep
-- What a second change finds is the operation's own: the first image is the one to go back to.
INSERT INTO bulk_changes (operation, record_id, issue_id, key, payload, state, discarded, left_crc)
VALUES (:operation, :record_id, :issue_id, :key, :payload, :state, :discarded, :left_crc)
ON CONFLICT (operation, record_id) DO UPDATE
SET left_crc = excluded.left_crc, discarded = excluded.discarded, restored = 0;

-- name: issue
-- An issue with its job: what a rule has to know of it. `run` is the one in which rows of it failed last.
SELECT i.id, i.job_id, j.public_id, i.workspace, i.family, i.code, i.key, i.resolved_ms, j.state,
       MAX(
           COALESCE((SELECT MAX(l.run) FROM issue_records AS l WHERE l.issue_id = i.id AND l.given_up = 0), 0),
           COALESCE((SELECT MAX(l.run) FROM issue_records AS l WHERE l.issue_id = i.id AND l.given_up = 1), 0)
       )
FROM issues AS i JOIN jobs AS j ON j.id = i.job_id
WHERE i.id = :id;

-- name: open_of_job
-- Oldest first, after an id.
SELECT id FROM issues
WHERE job_id = :job_id AND code = :code AND id > :after AND resolved_ms IS NULL
ORDER BY id
LIMIT :limit;

-- name: rows_of_issue
-- The rows that failed together last, in their order, with what marks them; without a limit: the reader stops when
-- it has enough.
SELECT r.id, CAST(r.key AS BLOB), r.state, CAST(r.payload AS BLOB), r.crc,
       COALESCE((SELECT MAX(m.issue_id) FROM issue_records AS m WHERE m.record_id = r.id), 0)
FROM issue_records AS l CROSS JOIN records AS r ON r.id = l.record_id
WHERE l.issue_id = :issue_id AND l.record_id > :after AND l.run = :run
ORDER BY l.record_id;

-- name: open_among
-- Which of these issues, and of those of these records, are open; both are JSON lists.
SELECT i.id FROM json_each(:issues) AS given CROSS JOIN issues AS i ON i.id = given.value
WHERE i.resolved_ms IS NULL
UNION
SELECT i.id
FROM json_each(:rows) AS given
CROSS JOIN issue_records AS l ON l.record_id = given.value
CROSS JOIN issues AS i ON i.id = l.issue_id
WHERE i.resolved_ms IS NULL;

-- name: keep_issue
INSERT OR IGNORE INTO bulk_issues (operation, issue_id) VALUES (:operation, :issue_id);

-- name: to_undo
-- The next rows that are not as they were, in their order, and whether each is as the operation left it: its content,
-- and that it is given up, or not. Whether it waits on an issue a check decides.
SELECT b.record_id, b.issue_id, CAST(b.key AS BLOB), CAST(b.payload AS BLOB), b.state,
       r.crc = b.left_crc AND (r.state = 'discarded') = b.discarded
FROM bulk_changes AS b LEFT JOIN records AS r ON r.id = b.record_id
WHERE b.operation = :operation AND b.record_id > :after AND b.restored = 0
ORDER BY b.record_id
LIMIT :limit;

-- name: job
-- Whose the rows are.
SELECT workspace, family, created_by FROM jobs WHERE id = :id;

-- name: restored
UPDATE bulk_changes SET restored = 1 WHERE operation = :operation AND record_id = :record_id;

-- name: count_restored
SELECT COUNT(*) FROM bulk_changes WHERE operation = :operation AND restored = 1;

-- name: reopen_issues
-- Those of a row that is as it was, if the operation resolved them, and the one that it waited on (0: on none): it
-- waits again, whatever was decided since.
UPDATE issues
SET resolved_ms = NULL, resolution = NULL, resolved_by = NULL, comment = NULL, revision = revision + 1
WHERE resolved_ms IS NOT NULL
  AND id IN (
      SELECT l.issue_id FROM issue_records AS l
      WHERE l.record_id = :record_id
        AND (
            l.issue_id = :issue_id
            OR EXISTS (SELECT 1 FROM bulk_issues AS b WHERE b.operation = :operation AND b.issue_id = l.issue_id)
        )
  );

-- name: begin_undo
UPDATE bulk_operations SET undone_ms = :now WHERE id = :id AND undone_ms IS NULL;

-- name: oldest
SELECT id FROM bulk_operations WHERE at_ms < :before ORDER BY at_ms, id LIMIT 1;

-- name: forget_changes
DELETE FROM bulk_changes
WHERE id IN (SELECT id FROM bulk_changes WHERE operation = :operation LIMIT :limit);

-- name: forget_issues
DELETE FROM bulk_issues
WHERE (operation, issue_id) IN (
    SELECT operation, issue_id FROM bulk_issues WHERE operation = :operation LIMIT :limit
);

-- name: forget
DELETE FROM bulk_operations WHERE id = :operation;

-- name: forget_record
-- What an erasure needs: no earlier image of this row is kept.
DELETE FROM bulk_changes WHERE record_id = :record_id;
