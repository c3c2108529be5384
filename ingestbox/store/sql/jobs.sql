-- name: insert
INSERT INTO jobs (public_id, family, workspace, created_by, source, name, state, total, processed, issues,
                  warnings, submitted_ms, updated_ms)
VALUES (:public_id, :family, :workspace, :created_by, :source, :name, :state, :total, :processed, :issues,
        :warnings, :now, :now)
RETURNING id;

-- name: sifted
-- Records that were looked at where they are stored are not pending, or not issues, after all.
UPDATE jobs SET processed = processed + :processed, issues = issues + :issues WHERE id = :id;

-- name: publish
-- A job whose records entered in chunks becomes visible with the last one.
UPDATE jobs SET state = 'queued', updated_ms = :now WHERE id = :id AND state = 'receiving';

-- name: by_public_id
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms,
       discarded
FROM jobs
WHERE public_id = :public_id AND family = :family AND workspace = :workspace AND state <> 'receiving';

-- name: newest
-- Of one state: the index gives their order; several states are merged by the caller (jobs.newest).
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms,
       discarded
FROM jobs
WHERE workspace = :workspace AND family = :family AND state = :state
ORDER BY id DESC
LIMIT :limit;

-- name: claim
-- The count of rows decides: of two workers one gets the job. A retry time further away than any backoff
-- reaches was written under another clock and counts as due. A job that is being changed is not to be had.
UPDATE jobs
SET state = 'running', owner = :owner, attempt = attempt + 1, lease_at = :lease_at, retry_ms = NULL,
    cursor = MIN(cursor, COALESCE(reopened, cursor)), reopened = NULL,
    started_ms = COALESCE(started_ms, :now), updated_ms = :now
WHERE id = :id AND state = 'queued' AND owner IS NULL
  AND (retry_ms IS NULL OR retry_ms <= :now OR retry_ms > :now + :horizon)
  AND NOT EXISTS (SELECT 1 FROM job_changes WHERE job_id = :id)
RETURNING id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
          tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms,
          discarded;

-- name: settle
-- Counts only if owner and attempt are still ours, and if this chunk was not settled before.
UPDATE jobs
SET cursor = :cursor, processed = processed + :processed, issues = issues + :issues, tallies = :tallies,
    chunk_limit = :chunk_limit, deaths = 0, lease_at = :lease_at, updated_ms = :now
WHERE id = :id AND owner = :owner AND attempt = :attempt AND cursor = :old_cursor AND state = 'running';

-- name: load
-- Rows of the job's file became records: those that wait for a person, or that a later row replaces, are not
-- pending. The same worker, or none of it counts.
UPDATE jobs
SET processed = processed + :processed, issues = issues + :issues, discarded = discarded + :discarded,
    warnings = COALESCE(:warnings, warnings), lease_at = :lease_at, updated_ms = :now
WHERE id = :id AND owner = :owner AND attempt = :attempt AND state = 'running';

-- name: keep_claim
-- No progress, but a worker that is alive: its chunk takes long, or a child died with it and it is tried smaller.
UPDATE jobs
SET chunk_limit = :chunk_limit, deaths = :deaths, lease_at = :lease_at, updated_ms = :now
WHERE id = :id AND owner = :owner AND attempt = :attempt AND state = 'running';

-- name: finish
-- With records that became pending again meanwhile the job is not at its end, but queued once more.
UPDATE jobs
SET state = CASE WHEN reopened IS NULL THEN :state ELSE 'queued' END,
    error = CASE WHEN reopened IS NULL THEN :error END,
    completed_ms = CASE WHEN reopened IS NULL THEN :now END,
    cursor = COALESCE(reopened, cursor), reopened = NULL,
    owner = NULL, lease_at = NULL, retry_ms = NULL, updated_ms = :now
WHERE id = :id AND owner = :owner AND attempt = :attempt AND state = 'running'
RETURNING state;

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

-- name: find
-- Of any workspace: who may see it is the caller's question.
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms,
       discarded
FROM jobs
WHERE public_id = :public_id AND state <> 'receiving';

-- name: by_id
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms,
       discarded
FROM jobs
WHERE id = :id AND state <> 'receiving';

-- name: of_workspace
-- Newest first, between two ids; without a limit: the reader stops when it has enough. Each of these lists has its
-- twin that begins with the oldest.
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms,
       discarded
FROM jobs
WHERE workspace = :workspace AND id > :above AND id < :below AND state <> 'receiving'
ORDER BY id DESC;

-- name: of_workspace_oldest
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms,
       discarded
FROM jobs
WHERE workspace = :workspace AND id > :above AND id < :below AND state <> 'receiving'
ORDER BY id;

-- name: everywhere
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms,
       discarded
FROM jobs
WHERE id > :above AND id < :below AND state <> 'receiving'
ORDER BY id DESC;

-- name: everywhere_oldest
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms,
       discarded
FROM jobs
WHERE id > :above AND id < :below AND state <> 'receiving'
ORDER BY id;

-- name: of_kind
-- One family and one state of a workspace; several are merged by the caller (jobs.listed).
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms,
       discarded
FROM jobs
WHERE workspace = :workspace AND family = :family AND state = :state AND id > :above AND id < :below
ORDER BY id DESC;

-- name: of_kind_oldest
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms,
       discarded
FROM jobs
WHERE workspace = :workspace AND family = :family AND state = :state AND id > :above AND id < :below
ORDER BY id;

-- name: of_creator
-- What one person made of a family.
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms,
       discarded
FROM jobs
WHERE workspace = :workspace AND family = :family AND created_by = :created_by AND id > :above AND id < :below
  AND state <> 'receiving'
ORDER BY id DESC;

-- name: of_creator_oldest
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms,
       discarded
FROM jobs
WHERE workspace = :workspace AND family = :family AND created_by = :created_by AND id > :above AND id < :below
  AND state <> 'receiving'
ORDER BY id;

-- name: named
-- Whose file has these words in its name; the index of words gives their order.
SELECT j.id, j.public_id, j.family, j.workspace, j.created_by, j.source, j.name, j.state, j.total, j.processed, j.issues,
       j.cursor, j.tallies, j.warnings, j.attempt, j.chunk_limit, j.deaths, j.error, j.submitted_ms, j.started_ms,
       j.completed_ms, j.updated_ms, j.discarded
FROM job_words AS w CROSS JOIN jobs AS j ON j.id = w.rowid
WHERE job_words MATCH :words AND w.rowid > :above AND w.rowid < :below AND j.state <> 'receiving'
ORDER BY w.rowid DESC;

-- name: named_oldest
SELECT j.id, j.public_id, j.family, j.workspace, j.created_by, j.source, j.name, j.state, j.total, j.processed, j.issues,
       j.cursor, j.tallies, j.warnings, j.attempt, j.chunk_limit, j.deaths, j.error, j.submitted_ms, j.started_ms,
       j.completed_ms, j.updated_ms, j.discarded
FROM job_words AS w CROSS JOIN jobs AS j ON j.id = w.rowid
WHERE job_words MATCH :words AND w.rowid > :above AND w.rowid < :below AND j.state <> 'receiving'
ORDER BY w.rowid;

-- name: of_id
-- Whose public id begins so: a few.
SELECT id, public_id, family, workspace, created_by, source, name, state, total, processed, issues, cursor,
       tallies, warnings, attempt, chunk_limit, deaths, error, submitted_ms, started_ms, completed_ms, updated_ms,
       discarded
FROM jobs
WHERE public_id >= :first AND public_id < :beyond AND state <> 'receiving'
ORDER BY public_id DESC
LIMIT :limit;

-- name: submitted
-- When the first job from this id on came.
SELECT id, submitted_ms FROM jobs WHERE id >= :id ORDER BY id LIMIT 1;

-- name: last
SELECT COALESCE(MAX(id), 0) FROM jobs;

-- name: made_by
SELECT created_by FROM jobs WHERE id = :id;

-- name: first_pending
-- The index below which no record is pending.
SELECT MIN(cursor, COALESCE(reopened, cursor)) FROM jobs WHERE id = :id;

-- name: reopen
-- Records are pending again. A worker that holds the job goes on where it is and comes back to them; a job that
-- had ended is queued. What was cancelled stays so.
UPDATE jobs
SET processed = processed - :records, issues = issues - :issues,
    cursor = CASE WHEN state = 'running' THEN cursor ELSE MIN(cursor, :index) END,
    reopened = CASE WHEN state = 'running' THEN MIN(COALESCE(reopened, :index), :index) ELSE reopened END,
    error = CASE WHEN state = 'running' OR state = 'queued' THEN error END,
    chunk_limit = CASE WHEN state = 'running' OR state = 'queued' THEN chunk_limit ELSE 0 END,
    deaths = CASE WHEN state = 'running' OR state = 'queued' THEN deaths ELSE 0 END,
    attempt = CASE WHEN state = 'running' OR state = 'queued' THEN attempt ELSE 0 END,
    state = CASE WHEN state = 'running' THEN state ELSE 'queued' END,
    completed_ms = NULL, updated_ms = :now
WHERE id = :id AND state <> 'cancelled' AND state <> 'receiving';

-- name: discard
-- Records are given up: some that waited on an issue, some that were pending. A job that only waited for a person
-- ends with its last issue.
UPDATE jobs
SET processed = processed + :pending, issues = issues - :issues, discarded = discarded + :pending + :issues,
    completed_ms = CASE WHEN state = 'review' AND issues = :issues AND processed = total THEN :now
                        ELSE completed_ms END,
    state = CASE WHEN state = 'review' AND issues = :issues AND processed = total
                 THEN CASE WHEN discarded + :issues >= total THEN 'failed' ELSE 'completed' END
                 ELSE state END,
    updated_ms = :now
WHERE id = :id;

-- name: cancel
-- Whoever works on it finds out when its next chunk does not count.
UPDATE jobs
SET state = 'cancelled', error = :error, owner = NULL, lease_at = NULL, retry_ms = NULL, reopened = NULL,
    completed_ms = :now, updated_ms = :now
WHERE id = :id AND (state = 'queued' OR state = 'running' OR state = 'review');

-- name: cancel_staged
-- Of a worker that asks for it at the same moment and this, the first one has it. Of what is partly made nobody could
-- take the objects back any more.
UPDATE jobs
SET state = 'cancelled', error = :error, retry_ms = NULL, reopened = NULL, completed_ms = :now, updated_ms = :now
WHERE id = :id AND owner IS NULL AND (state = 'queued' OR state = 'review' OR state = 'failed')
  AND processed = issues + discarded
  AND NOT EXISTS (SELECT 1 FROM staged_jobs WHERE job_id = :id AND phase IN ('turn', 'consolidating'));

-- name: made
-- How many rows of a job are done.
SELECT processed - issues - discarded FROM jobs WHERE id = :id;

-- name: requeue
-- An ended job is to be worked on again; its records become pending slice by slice.
UPDATE jobs
SET state = 'queued', error = NULL, retry_ms = NULL, chunk_limit = 0, deaths = 0, attempt = 0, completed_ms = NULL,
    updated_ms = :now
WHERE id = :id AND (state = 'completed' OR state = 'failed' OR state = 'review');

-- name: count_anew
-- Once all that is done is pending again: what is done once more must not count twice.
UPDATE jobs SET tallies = '{}' WHERE id = :id;

-- name: tallies
SELECT state, tallies FROM jobs WHERE id = :id;

-- name: count_again
-- A record that was counted is to be again.
UPDATE jobs SET tallies = :tallies WHERE id = :id;

-- name: state
SELECT state, issues FROM jobs WHERE id = :id;

-- name: begin_change
INSERT INTO job_changes (job_id, action, position, actor) VALUES (:id, :action, 0, :actor)
ON CONFLICT (job_id) DO UPDATE SET action = excluded.action, position = 0, actor = excluded.actor;

-- name: change
SELECT action, position, actor FROM job_changes WHERE job_id = :id;

-- name: move_change
UPDATE job_changes SET position = :position WHERE job_id = :id;

-- name: end_change
DELETE FROM job_changes WHERE job_id = :id;

-- name: changes
SELECT job_id FROM job_changes WHERE job_id > 0 ORDER BY job_id LIMIT :limit;
