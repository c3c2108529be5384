-- name: job
SELECT j.state, j.issues, s.phase FROM jobs AS j JOIN staged_jobs AS s ON s.job_id = j.id WHERE j.id = :id;

-- name: rewrite
UPDATE records SET key = :key, payload = :payload, crc = :crc, state = :state WHERE id = :id;

-- name: count
-- What a row's new state changes in its job's counts. Nothing else of the job changes: it waits until it is told to
-- go on.
UPDATE jobs
SET processed = processed + :processed, issues = issues + :issues, discarded = discarded + :discarded,
    cursor = MIN(cursor, :cursor), updated_ms = :now
WHERE id = :id;

-- name: edited
INSERT OR IGNORE INTO staged_edits (record_id) VALUES (:record_id);

-- name: give_up_issues
-- Open issues of a row that was given up, all of whose other rows are too: those that failed with it, or since.
UPDATE issues SET resolved_ms = :now, resolution = 'discard', resolved_by = :actor
WHERE resolved_ms IS NULL AND id IN (
    SELECT l.issue_id FROM issue_records AS l
    WHERE l.record_id = :record_id
      AND NOT EXISTS (
          SELECT 1 FROM issue_records AS other
          WHERE other.issue_id = l.issue_id AND other.given_up = 0 AND other.run >= l.run
      )
);

-- name: reopen_issues
-- A row is taken up again: what was resolved because all were given up is open.
UPDATE issues SET resolved_ms = NULL, resolution = NULL, resolved_by = NULL
WHERE resolved_ms IS NOT NULL AND resolution = 'discard'
  AND id IN (SELECT issue_id FROM issue_records WHERE record_id = :record_id);

-- name: issue
SELECT i.job_id, i.workspace, i.family, i.code, i.message, i.resolved_ms, i.resolution, i.resolved_by, i.comment,
       i.revision, j.state, s.owner
FROM issues AS i JOIN jobs AS j ON j.id = i.job_id JOIN staged_jobs AS s ON s.job_id = i.job_id
WHERE i.id = :id;

-- name: edit_issue
UPDATE issues
SET message = :message, resolved_ms = :resolved_ms, resolution = :resolution, resolved_by = :resolved_by,
    comment = :comment, revision = revision + 1
WHERE id = :id;

-- name: rows_left
-- The rows that an issue is about still: those that failed in the newest run, and are not given up. Each MAX is a seek.
SELECT record_id FROM issue_records
WHERE issue_id = :issue_id AND given_up = 0
  AND run = MAX(
      COALESCE((SELECT MAX(run) FROM issue_records WHERE issue_id = :issue_id AND given_up = 0), 0),
      COALESCE((SELECT MAX(run) FROM issue_records WHERE issue_id = :issue_id AND given_up = 1), 0)
  )
LIMIT :limit;
