-- name: cancel
-- From any state but that of being received. Whoever works on it finds out when its next chunk does not count. All of
-- its records count as given up from now on. What it warned of may quote them.
UPDATE jobs
SET state = 'cancelled', error = :error, owner = NULL, lease_at = NULL, retry_ms = NULL, reopened = NULL,
    processed = total, issues = 0, discarded = total, warnings = '[]', completed_ms = :now, updated_ms = :now
WHERE id = :id AND state <> 'receiving';

-- name: begin
INSERT INTO job_deletions (job_id, position, actor) VALUES (:job_id, 0, :actor);

-- name: state
SELECT d.position, d.actor, j.workspace, j.family, j.created_by, j.public_id
FROM job_deletions AS d JOIN jobs AS j ON j.id = d.job_id
WHERE d.job_id = :job_id;

-- name: blank
UPDATE records SET state = 'discarded', key = '', payload = :payload, crc = :crc WHERE id >= :first AND id <= :last;

-- name: hush
-- What issues of these records say may be from them. What an upstream refused is the lane's.
UPDATE issues SET message = :message, comment = NULL
WHERE lane IS NULL
  AND id IN (SELECT issue_id FROM issue_records WHERE record_id >= :first AND record_id <= :last);

-- name: forget_changes
-- How records were before decisions that could be taken back.
DELETE FROM bulk_changes WHERE record_id >= :first AND record_id <= :last;

-- name: move
UPDATE job_deletions SET position = :position WHERE job_id = :job_id;

-- name: end
DELETE FROM job_deletions WHERE job_id = :job_id;

-- name: settle
-- Once more: an erasure may have counted what it gave up meanwhile.
UPDATE jobs SET processed = total, issues = 0, discarded = total, updated_ms = :now WHERE id = :id;

-- name: under_way
SELECT d.job_id, j.family FROM job_deletions AS d JOIN jobs AS j ON j.id = d.job_id
WHERE d.job_id > 0
ORDER BY d.job_id
LIMIT :limit;
