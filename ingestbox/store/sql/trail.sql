-- name: user
SELECT email FROM users WHERE id = :id;

-- name: key
SELECT name FROM api_keys WHERE id = :id;

-- name: job
SELECT public_id, name, workspace FROM jobs WHERE id = :id;

-- name: job_of_public_id
SELECT id FROM jobs WHERE public_id = :public_id;

-- name: issue
SELECT record_id FROM issues WHERE id = :id;

-- name: operation
-- A decision about many rows that can be taken back, and when somebody began to.
SELECT undone_ms FROM bulk_operations WHERE id = :id;
