-- name: insert
INSERT INTO rules (workspace, family, owner, name, code, rule, after_job, created_by, created_ms)
VALUES (:workspace, :family, :owner, :name, :code, :rule, COALESCE((SELECT MAX(id) FROM jobs), 0), :actor, :now)
ON CONFLICT (workspace, family, owner, name) DO NOTHING
RETURNING id;

-- name: count
SELECT COUNT(*) FROM rules WHERE workspace = :workspace AND family = :family AND owner = :owner;

-- name: one
SELECT id, workspace, family, owner, name, code, rule, created_by, created_ms FROM rules WHERE id = :id;

-- name: page
-- Newest first, below an id; without a limit: the reader stops when it has enough.
SELECT id, workspace, family, owner, name, code, rule, created_by, created_ms FROM rules
WHERE id < :below ORDER BY id DESC;

-- name: remove
DELETE FROM rules WHERE id = :id;

-- name: for_job
-- What is applied to a job of this owner, in the order in which it was made.
SELECT id, workspace, family, owner, name, code, rule, created_by, created_ms FROM rules
WHERE workspace = :workspace AND family = :family AND owner IN (:owner, '') AND after_job < :job_id
ORDER BY id;

-- name: rounds
SELECT rounds FROM ruled_jobs WHERE job_id = :job_id;

-- name: end_round
INSERT INTO ruled_jobs (job_id, rounds) VALUES (:job_id, :rounds)
ON CONFLICT (job_id) DO UPDATE SET rounds = excluded.rounds;

-- name: warnings
SELECT warnings FROM jobs WHERE id = :job_id;

-- name: warn
UPDATE jobs SET warnings = :warnings WHERE id = :job_id;
