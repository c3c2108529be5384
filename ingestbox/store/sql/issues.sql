-- name: insert
-- The scope is the job's, whose row is there before its issues.
INSERT INTO issues (job_id, record_id, code, message, field, created_ms, workspace, family)
SELECT :job_id, :record_id, :code, :message, :field, :now, workspace, family FROM jobs WHERE id = :job_id;

-- name: of_job
SELECT record_id, code, message, field FROM issues
WHERE record_id >= :first AND record_id < :beyond AND resolved_ms IS NULL
ORDER BY record_id, id
LIMIT :limit;

-- name: remove_of_job
DELETE FROM issues WHERE record_id >= :first AND record_id < :beyond;

-- name: one
SELECT i.id, i.record_id, i.workspace, i.family, i.code, i.message, i.field, i.created_ms, i.resolved_ms,
       i.resolution, i.resolved_by, i.job_id, j.public_id
FROM issues AS i JOIN jobs AS j ON j.id = i.job_id
WHERE i.id = :id AND j.state <> 'receiving';

-- name: everywhere
-- Newest first, below an id; without a limit: the reader stops when it has enough.
SELECT i.id, i.record_id, i.workspace, i.family, i.code, i.message, i.field, i.created_ms, i.resolved_ms,
       i.resolution, i.resolved_by, i.job_id, j.public_id
FROM issues AS i JOIN jobs AS j ON j.id = i.job_id
WHERE i.id < :below AND j.state <> 'receiving'
ORDER BY i.id DESC;

-- name: of_workspace
SELECT i.id, i.record_id, i.workspace, i.family, i.code, i.message, i.field, i.created_ms, i.resolved_ms,
       i.resolution, i.resolved_by, i.job_id, j.public_id
FROM issues AS i JOIN jobs AS j ON j.id = i.job_id
WHERE i.workspace = :workspace AND i.id < :below AND j.state <> 'receiving'
ORDER BY i.id DESC;

-- name: open_of_workspace
SELECT i.id, i.record_id, i.workspace, i.family, i.code, i.message, i.field, i.created_ms, i.resolved_ms,
       i.resolution, i.resolved_by, i.job_id, j.public_id
FROM issues AS i JOIN jobs AS j ON j.id = i.job_id
WHERE i.workspace = :workspace AND i.id < :below AND i.resolved_ms IS NULL AND j.state <> 'receiving'
ORDER BY i.id DESC;

-- name: of_one_job
SELECT i.id, i.record_id, i.workspace, i.family, i.code, i.message, i.field, i.created_ms, i.resolved_ms,
       i.resolution, i.resolved_by, i.job_id, j.public_id
FROM issues AS i JOIN jobs AS j ON j.id = i.job_id
WHERE i.job_id = :job_id AND i.id < :below AND j.state <> 'receiving'
ORDER BY i.id DESC;

-- name: of_records
-- Those of a page of one job's records, oldest first.
SELECT id, record_id, code, message, field, created_ms, resolved_ms, resolution, resolved_by
FROM issues
WHERE record_id >= :first AND record_id <= :last
ORDER BY record_id, id
LIMIT :limit;

-- name: resolve
UPDATE issues SET resolved_ms = :now, resolution = :resolution, resolved_by = :actor
WHERE record_id = :record_id AND resolved_ms IS NULL;
