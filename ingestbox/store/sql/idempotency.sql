-- name: find
SELECT fingerprint, status, body FROM idempotency WHERE scope = :scope AND key = :key;

-- name: insert
INSERT INTO idempotency (scope, key, fingerprint, job_id, status, body, created_ms)
VALUES (:scope, :key, :fingerprint, :job_id, :status, :body, :now);

-- name: answer
UPDATE idempotency SET status = :status, body = :body WHERE job_id = :job_id AND status IS NULL;

-- name: free
-- The key of a job that never became visible may be used again.
DELETE FROM idempotency WHERE job_id = :job_id AND status IS NULL;

-- name: purge
DELETE FROM idempotency
WHERE (scope, key) IN (
    SELECT scope, key FROM idempotency WHERE created_ms < :before AND status IS NOT NULL
    ORDER BY created_ms LIMIT :limit
);
