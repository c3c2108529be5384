-- name: twin
-- Another job of the owner that has the same file, by content or by name.
SELECT job_id FROM staged_jobs
WHERE workspace = :workspace AND family = :family AND owner = :owner AND name = :name AND live = 1
UNION ALL
SELECT job_id FROM staged_jobs
WHERE workspace = :workspace AND family = :family AND owner = :owner AND sha256 = :sha256 AND live = 1
LIMIT 1;

-- name: insert
INSERT INTO staged_jobs (job_id, workspace, family, owner, name, sha256, baseline)
VALUES (:job_id, :workspace, :family, :owner, :name, :sha256, :baseline);

-- name: of_job
SELECT phase, run, open_issues, issues_seen, baseline, removed, kept, undone_ms FROM staged_jobs
WHERE job_id = :job_id;

-- name: begin_check
-- Of a file that was just loaded the rows are checked already: that was the first run.
UPDATE staged_jobs SET run = run + (phase <> 'loading'), phase = 'checking' WHERE job_id = :job_id
RETURNING run;

-- name: wait_for_turn
UPDATE staged_jobs SET phase = 'turn' WHERE job_id = :job_id;

-- name: take_turn
-- Nobody else of the same owner makes objects or takes them back; the unique index sees to that as well.
UPDATE staged_jobs SET phase = 'consolidating'
WHERE job_id = :job_id
  AND NOT EXISTS (
      SELECT 1 FROM staged_jobs AS other
      WHERE other.workspace = staged_jobs.workspace AND other.family = staged_jobs.family
        AND other.owner = staged_jobs.owner AND other.phase IN ('consolidating', 'undoing')
        AND other.job_id <> staged_jobs.job_id
  );

-- name: give_turn_back
UPDATE staged_jobs SET phase = 'checking' WHERE job_id = :job_id AND phase = 'consolidating';

-- name: from_the_start
-- The rows that are left become objects from the first one on.
UPDATE jobs SET cursor = 0, chunk_limit = 0, deaths = 0 WHERE id = :job_id;

-- name: next_turn
-- The oldest job that waits for the turn of the same owner and may be worked on now.
SELECT s.job_id
FROM staged_jobs AS s CROSS JOIN jobs AS j ON j.id = s.job_id
WHERE s.workspace = :workspace AND s.family = :family AND s.owner = :owner AND s.phase = 'turn'
  AND j.state = 'queued' AND j.retry_ms IS NULL
ORDER BY s.job_id
LIMIT 1;

-- name: add_key
INSERT OR IGNORE INTO staged_keys (job_id, key, record_id) VALUES (:job_id, :key, :record_id);

-- name: remove_key
DELETE FROM staged_keys WHERE job_id = :job_id AND key = :key AND record_id = :record_id;

-- name: issue
-- One for each code and key of a job; a person's own words for it stay.
INSERT INTO issues (job_id, record_id, code, message, field, created_ms, workspace, family, key)
SELECT :job_id, :record_id, :code, :message, :field, :now, workspace, family, :key FROM jobs WHERE id = :job_id
ON CONFLICT (job_id, code, key) WHERE key IS NOT NULL DO UPDATE
SET resolved_ms = NULL, resolution = NULL, resolved_by = NULL,
    message = CASE issues.revision WHEN 0 THEN excluded.message ELSE issues.message END,
    field = excluded.field
RETURNING id;

-- name: link
INSERT INTO issue_records (record_id, issue_id, run) VALUES (:record_id, :issue_id, :run)
ON CONFLICT (record_id, issue_id) DO UPDATE SET run = excluded.run;

-- name: fail
UPDATE records SET state = 'issue' WHERE id = :id AND state = 'pending';

-- name: edited
-- Rows that people changed, and those of a file whose issues did not follow.
SELECT record_id FROM staged_edits WHERE record_id >= :first AND record_id < :beyond
ORDER BY record_id
LIMIT :limit;

-- name: to_recheck
-- Rows that people changed, or that failed by themselves before: what others decide is looked for anew in any case.
SELECT record_id FROM (
    SELECT record_id FROM (
        SELECT record_id FROM staged_edits WHERE record_id >= :first AND record_id < :beyond
        ORDER BY record_id LIMIT :limit
    ) AS edited
    UNION
    SELECT record_id FROM (
        SELECT DISTINCT l.record_id
        FROM issue_records AS l CROSS JOIN issues AS i ON i.id = l.issue_id
        WHERE l.record_id >= :first AND l.record_id < :beyond AND i.code <> :repeated AND i.code <> :existing
        ORDER BY l.record_id LIMIT :limit
    ) AS failed
) AS both
ORDER BY record_id
LIMIT :limit;

-- name: rows
-- `ids` is a JSON list.
SELECT r.id, CAST(r.key AS BLOB), r.state, CAST(r.payload AS BLOB), r.crc
FROM json_each(:ids) AS given CROSS JOIN records AS r ON r.id = given.value
ORDER BY r.id;

-- name: end_edit
DELETE FROM staged_edits WHERE record_id = :record_id;

-- name: window
-- The key that so many others lie before.
SELECT key FROM staged_keys WHERE job_id = :job_id AND key > :after ORDER BY key LIMIT 1 OFFSET :size;

-- name: repeated
-- Keys that several rows have which wait still.
SELECT k.key
FROM staged_keys AS k
WHERE k.job_id = :job_id AND k.key > :after AND k.key <= :upto
GROUP BY k.key
HAVING COUNT(*) > 1
ORDER BY k.key;

-- name: having_key
-- Rows that wait still and have this key, in order.
SELECT r.id, CAST(r.key AS BLOB), r.state, CAST(r.payload AS BLOB), r.crc
FROM staged_keys AS k CROSS JOIN records AS r ON r.id = k.record_id
WHERE k.job_id = :job_id AND k.key = :key AND k.record_id > :after
  AND (r.state = 'pending' OR r.state = 'issue')
ORDER BY k.record_id
LIMIT :limit;

-- name: fails
-- Whether anything of the job fails in this run.
SELECT 1 FROM issue_records AS l CROSS JOIN records AS r ON r.id = l.record_id
WHERE l.record_id >= :first AND l.record_id < :beyond AND l.run = :run AND r.state = 'issue'
LIMIT 1;

-- name: failing
-- Which of these records (a JSON list) failed in this run.
SELECT DISTINCT l.record_id
FROM json_each(:ids) AS given CROSS JOIN issue_records AS l ON l.record_id = given.value
WHERE l.run = :run;

-- name: discard
UPDATE records SET state = 'discarded', payload = :payload, crc = :crc
WHERE id = :id AND (state = 'pending' OR state = 'issue');

-- name: state
SELECT state FROM records WHERE id = :id;

-- name: right_again
-- Rows that wait on an issue although nothing failed in this run.
SELECT DISTINCT l.record_id
FROM issue_records AS l CROSS JOIN records AS r ON r.id = l.record_id
WHERE l.record_id >= :first AND l.record_id < :beyond AND r.state = 'issue'
  AND NOT EXISTS (SELECT 1 FROM issue_records AS other WHERE other.record_id = l.record_id AND other.run = :run)
ORDER BY l.record_id;

-- name: release
UPDATE records SET state = 'pending' WHERE id = :id AND state = 'issue';

-- name: issue_window
-- The issue that so many others of a job lie before.
SELECT id FROM issues INDEXED BY issues_by_job
WHERE job_id = :job_id AND id > :after ORDER BY id LIMIT 1 OFFSET :size;

-- name: settled_issues
-- Open issues none of whose rows failed in this run. What failed is not given up: with that the index tells of an
-- issue that holds a million rows at once.
SELECT i.id
FROM issues AS i INDEXED BY issues_by_job
WHERE i.job_id = :job_id AND i.id > :after AND i.id <= :upto AND i.resolved_ms IS NULL AND i.lane IS NULL
  AND NOT EXISTS (
      SELECT 1 FROM issue_records AS l WHERE l.issue_id = i.id AND l.run = :run AND l.given_up = 0
  )
ORDER BY i.id;

-- name: resolve
UPDATE issues
SET resolved_ms = :now, resolution = :resolution, resolved_by = :actor, comment = :comment
WHERE id = :id AND resolved_ms IS NULL;

-- name: finish
-- Who failed to be first with a key waits for a person; the others are done. Nothing is over as long as a row is
-- pending.
UPDATE jobs
SET state = CASE WHEN issues > 0 OR processed < total THEN 'review' ELSE 'completed' END, error = NULL, completed_ms = :now,
    reopened = NULL, owner = NULL, lease_at = NULL, retry_ms = NULL, updated_ms = :now
WHERE id = :id AND owner = :owner AND attempt = :attempt AND state = 'running'
RETURNING state;

-- name: leave
-- To a person, or at an end that has an `error`.
UPDATE jobs
SET state = :state, error = :error, completed_ms = :now, reopened = NULL, owner = NULL, lease_at = NULL,
    retry_ms = NULL, chunk_limit = 0, deaths = 0, updated_ms = :now
WHERE id = :id AND owner = :owner AND attempt = :attempt AND state = 'running';

-- name: drop_keys
-- In slices: nobody looks for what repeats in a job that is at its end.
DELETE FROM staged_keys
WHERE (job_id, key, record_id) IN (
    SELECT job_id, key, record_id FROM staged_keys WHERE job_id = :job_id LIMIT :limit
);

-- name: with_keys
SELECT s.job_id FROM staged_jobs AS s
WHERE s.phase IN ('done', 'undone', 'cancelled') AND s.job_id > :after
  AND EXISTS (SELECT 1 FROM staged_keys AS k WHERE k.job_id = s.job_id)
ORDER BY s.job_id
LIMIT 1;
