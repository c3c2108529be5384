-- name: insert
INSERT INTO issues (job_id, record_id, code, message, field, created_ms)
VALUES (:job_id, :record_id, :code, :message, :field, :now);

-- name: of_job
SELECT record_id, code, message, field FROM issues
WHERE record_id >= :first AND record_id < :beyond AND resolved_ms IS NULL
ORDER BY record_id, id
LIMIT :limit;

-- name: remove_of_job
DELETE FROM issues WHERE record_id >= :first AND record_id < :beyond;

-- name: open_count
SELECT COUNT(*) FROM issues WHERE resolved_ms IS NULL;
