-- name: insert
INSERT INTO jobs (public_id, family, workspace, created_by, source, name, state, total, processed, issues,
                  warnings, submitted_ms, updated_ms)
VALUES (:public_id, :family, :workspace, :created_by, :source, :name, :state, :total, :processed, :issues,
        :warnings, :now, :now)
RETURNING id;

-- name: publish
-- A job whose records entered in chunks becomes visible with the last one.
UPDATE jobs SET state = 'queued', updated_ms = :now WHERE id = :id AND state = 'receiving';

-- name: by_public_id
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms
FROM jobs
WHERE public_id = :public_id AND family = :family AND workspace = :workspace AND state <> 'receiving';

-- name: newest
-- Of one state: the index gives their order; several states are merged by the caller (jobs.newest).
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms
FROM jobs
WHERE workspace = :workspace AND family = :family AND state = :state
ORDER BY id DESC
LIMIT :limit;

-- name: claim
-- The count of rows decides: of two workers one gets the job. A retry time further away than any backoff
-- reaches was written under another clock and counts as due.
UPDATE jobs
SET state = 'running', owner = :owner, attempt = attempt + 1, lease_at = :lease_at, retry_ms = NULL,
    started_ms = COALESCE(started_ms, :now), updated_ms = :now
WHERE id = :id AND state = 'queued' AND owner IS NULL
  AND (retry_ms IS NULL OR retry_ms <= :now OR retry_ms > :now + :horizon)
RETURNING id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
          tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms;

-- name: settle
-- Counts only if owner and attempt are still ours, and if this chunk was not settled before.
UPDATE jobs
SET cursor = :cursor, processed = processed + :processed, issues = issues + :issues, tallies = :tallies,
    chunk_limit = :chunk_limit, deaths = 0, lease_at = :lease_at, updated_ms = :now
WHERE id = :id AND owner = :owner AND attempt = :attempt AND cursor = :old_cursor AND state = 'running';

-- name: keep_claim
-- No progress, but a worker that is alive: its chunk takes long, or a child died with it and it is tried smaller.
UPDATE jobs
SET chunk_limit = :chunk_limit, deaths = :deaths, lease_at = :lease_at, updated_ms = :now
WHERE id = :id AND owner = :owner AND attempt = :attempt AND state = 'running';

-- name: finish
UPDATE jobs
SET state = :state, error = :error, owner = NULL, lease_at = NULL, retry_ms = NULL, completed_ms = :now,
    updated_ms = :now
WHERE id = :id AND owner = :owner AND attempt = :attempt AND state = 'running';

-- name: release
-- Handed back: by a stop, or to be tried again at `retry_ms`.
UPDATE jobs
SET state = 'queued', owner = NULL, lease_at = NULL, retry_ms = :retry_ms, error = :error,
    chunk_limit = :chunk_limit, deaths = :deaths, updated_ms = :now
WHERE id = :id AND owner = :owner AND attempt = :attempt AND state = 'running';

-- name: free_all
-- At start: whoever owned a job is gone, because this process holds the data folder.
UPDATE jobs SET state = 'queued', owner = NULL, lease_at = NULL WHERE owner IS NOT NULL;

-- name: owned
SELECT id, owner, lease_at FROM jobs WHERE owner IS NOT NULL;

-- name: free
UPDATE jobs SET state = 'queued', owner = NULL, lease_at = NULL WHERE id = :id AND owner = :owner;

-- name: due
-- Retries whose time has come, then those put off under another clock, then what was never tried, oldest
-- first. Three ranges of one index, so that a million jobs that are put off cost nothing.
SELECT id FROM (
    SELECT id FROM (
        SELECT id FROM jobs WHERE state = 'queued' AND retry_ms <= :now ORDER BY retry_ms, id LIMIT :limit
    ) AS ready
    UNION ALL
    SELECT id FROM (
        SELECT id FROM jobs
        WHERE state = 'queued' AND retry_ms > :now + :horizon ORDER BY retry_ms, id LIMIT :limit
    ) AS lost
    UNION ALL
    SELECT id FROM (
        SELECT id FROM jobs WHERE state = 'queued' AND retry_ms IS NULL ORDER BY id LIMIT :limit
    ) AS fresh
) AS due
LIMIT :limit;

-- name: receiving
-- Jobs whose last chunk has not come: filled by a request right now, or left over from one that failed.
SELECT id, public_id FROM jobs WHERE state = 'receiving' ORDER BY id LIMIT :limit;

-- name: is_receiving
SELECT 1 FROM jobs WHERE id = :id AND state = 'receiving';

-- name: remove
DELETE FROM jobs WHERE id = :id AND state = 'receiving';

-- name: by_state
SELECT state, COUNT(*), COALESCE(SUM(total), 0), COALESCE(SUM(processed), 0) FROM jobs GROUP BY state;
