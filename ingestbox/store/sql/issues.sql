-- name: insert
-- The scope is the job's, whose row is there before its issues.
INSERT INTO issues (job_id, record_id, code, message, field, created_ms, workspace, family)
SELECT :job_id, :record_id, :code, :message, :field, :now, workspace, family FROM jobs WHERE id = :job_id;

-- name: set_aside
-- The same for what was processed; `held`: its object was put, but is not told upstream.
INSERT INTO issues (job_id, record_id, code, message, field, created_ms, workspace, family, held)
SELECT :job_id, :record_id, :code, :message, :field, :now, workspace, family, :held FROM jobs WHERE id = :job_id;

-- name: held_of_job
-- Whether a record of it is held.
SELECT 1 FROM issues INDEXED BY issues_held WHERE job_id = :job_id AND held = 1 AND resolved_ms IS NULL LIMIT 1;

-- name: held
-- Whether an issue is what its record is held by.
SELECT held FROM issues WHERE id = :id;

-- name: accepted
-- Of records (a JSON list of ids): what people accepted of them as they are now.
SELECT l.record_id, i.code
FROM json_each(:ids) AS given
CROSS JOIN issue_records AS l ON l.record_id = given.value
CROSS JOIN issues AS i ON i.id = l.issue_id
WHERE i.accepted = 1;

-- name: accept
UPDATE issues SET accepted = 1 WHERE id = :id;

-- name: void
-- The record is another one by now: what was accepted of it does not count any more.
UPDATE issues SET accepted = 0
WHERE accepted = 1 AND id IN (SELECT issue_id FROM issue_records WHERE record_id = :record_id);

-- name: of_job
-- Open ones, each once: at the first of its records. What an upstream refused is none of them.
SELECT record_id, code, message, field FROM issues
WHERE record_id >= :first AND record_id < :beyond AND resolved_ms IS NULL AND lane IS NULL
ORDER BY record_id, id
LIMIT :limit;

-- name: remove_of_job
DELETE FROM issues WHERE record_id >= :first AND record_id < :beyond;

-- name: one
SELECT i.id, i.record_id, i.workspace, i.family, i.code, i.message, i.field, i.created_ms, i.resolved_ms,
       i.resolution, i.resolved_by, i.job_id, j.public_id, j.created_by, i.comment, i.revision, i.key,
       i.lane, i.seq, i.refusal, i.held
FROM issues AS i JOIN jobs AS j ON j.id = i.job_id
WHERE i.id = :id AND j.state <> 'receiving';

-- name: everywhere
-- Newest first, below an id; without a limit: the reader stops when it has enough.
SELECT i.id, i.record_id, i.workspace, i.family, i.code, i.message, i.field, i.created_ms, i.resolved_ms,
       i.resolution, i.resolved_by, i.job_id, j.public_id, j.created_by, i.comment, i.revision, i.key,
       i.lane, i.seq, i.refusal, i.held
FROM issues AS i JOIN jobs AS j ON j.id = i.job_id
WHERE i.id < :below AND j.state <> 'receiving'
ORDER BY i.id DESC;

-- name: of_workspace
SELECT i.id, i.record_id, i.workspace, i.family, i.code, i.message, i.field, i.created_ms, i.resolved_ms,
       i.resolution, i.resolved_by, i.job_id, j.public_id, j.created_by, i.comment, i.revision, i.key,
       i.lane, i.seq, i.refusal, i.held
FROM issues AS i JOIN jobs AS j ON j.id = i.job_id
WHERE i.workspace = :workspace AND i.id < :below AND j.state <> 'receiving'
ORDER BY i.id DESC;

-- name: open_of_workspace
SELECT i.id, i.record_id, i.workspace, i.family, i.code, i.message, i.field, i.created_ms, i.resolved_ms,
       i.resolution, i.resolved_by, i.job_id, j.public_id, j.created_by, i.comment, i.revision, i.key,
       i.lane, i.seq, i.refusal, i.held
FROM issues AS i JOIN jobs AS j ON j.id = i.job_id
WHERE i.workspace = :workspace AND i.id < :below AND i.resolved_ms IS NULL AND j.state <> 'receiving'
ORDER BY i.id DESC;

-- name: of_one_job
SELECT i.id, i.record_id, i.workspace, i.family, i.code, i.message, i.field, i.created_ms, i.resolved_ms,
       i.resolution, i.resolved_by, i.job_id, j.public_id, j.created_by, i.comment, i.revision, i.key,
       i.lane, i.seq, i.refusal, i.held
FROM issues AS i JOIN jobs AS j ON j.id = i.job_id
WHERE i.job_id = :job_id AND i.id < :below AND j.state <> 'receiving'
ORDER BY i.id DESC;

-- name: of_one_job_up
-- The same oldest first, above an id.
SELECT i.id, i.record_id, i.workspace, i.family, i.code, i.message, i.field, i.created_ms, i.resolved_ms,
       i.resolution, i.resolved_by, i.job_id, j.public_id, j.created_by, i.comment, i.revision, i.key,
       i.lane, i.seq, i.refusal, i.held
FROM issues AS i JOIN jobs AS j ON j.id = i.job_id
WHERE i.job_id = :job_id AND i.id > :above AND j.state <> 'receiving'
ORDER BY i.id;

-- name: open_of_kind
-- Open ones of a job and a code.
SELECT i.id, i.record_id, i.workspace, i.family, i.code, i.message, i.field, i.created_ms, i.resolved_ms,
       i.resolution, i.resolved_by, i.job_id, j.public_id, j.created_by, i.comment, i.revision, i.key,
       i.lane, i.seq, i.refusal, i.held
FROM issues AS i INDEXED BY issues_open_by_job JOIN jobs AS j ON j.id = i.job_id
WHERE i.job_id = :job_id AND i.code = :code AND i.id < :below AND i.resolved_ms IS NULL AND j.state <> 'receiving'
ORDER BY i.id DESC;

-- name: open_of_kind_up
SELECT i.id, i.record_id, i.workspace, i.family, i.code, i.message, i.field, i.created_ms, i.resolved_ms,
       i.resolution, i.resolved_by, i.job_id, j.public_id, j.created_by, i.comment, i.revision, i.key,
       i.lane, i.seq, i.refusal, i.held
FROM issues AS i INDEXED BY issues_open_by_job JOIN jobs AS j ON j.id = i.job_id
WHERE i.job_id = :job_id AND i.code = :code AND i.id > :above AND i.resolved_ms IS NULL AND j.state <> 'receiving'
ORDER BY i.id;

-- name: next_open_job
-- The newest job under an id that has open issues: a seek, however many issues jobs have.
SELECT job_id FROM issues INDEXED BY issues_open_by_job
WHERE job_id < :below AND resolved_ms IS NULL
ORDER BY job_id DESC
LIMIT 1;

-- name: open_kinds
-- What is open of a job, counted by code.
SELECT code, COUNT(*) FROM issues INDEXED BY issues_open_by_job
WHERE job_id = :job_id AND resolved_ms IS NULL
GROUP BY code
ORDER BY code;

-- name: open_of_one_kind
SELECT code, COUNT(*) FROM issues INDEXED BY issues_open_by_job
WHERE job_id = :job_id AND code = :code AND resolved_ms IS NULL
GROUP BY code;

-- name: of_records
-- Those that records (a JSON list of ids, ascending) are linked to, oldest first; then those of their refused
-- deliveries.
SELECT i.id, l.record_id, i.code, i.message, i.field, i.created_ms, i.resolved_ms, i.resolution, i.resolved_by,
       i.comment, i.lane, i.seq
FROM json_each(:ids) AS given
CROSS JOIN issue_records AS l ON l.record_id = given.value
CROSS JOIN issues AS i ON i.id = l.issue_id
UNION ALL
SELECT i.id, i.record_id, i.code, i.message, i.field, i.created_ms, i.resolved_ms, i.resolution, i.resolved_by,
       i.comment, i.lane, i.seq
FROM json_each(:ids) AS given
CROSS JOIN issues AS i ON i.record_id = given.value
WHERE i.lane IS NOT NULL
LIMIT :limit;

-- name: records
-- Of one issue, in their order.
SELECT record_id FROM issue_records WHERE issue_id = :id ORDER BY record_id LIMIT :limit;

-- name: size
SELECT COUNT(*) FROM issue_records WHERE issue_id = :id;

-- name: waiting
-- Records of this issue, after a record, and whether they wait on it: those that failed with it the last time they
-- failed.
SELECT l.record_id,
       r.state = 'issue'
       AND NOT EXISTS (
           SELECT 1 FROM issue_records AS other WHERE other.record_id = l.record_id AND other.run > l.run
       )
FROM issue_records AS l CROSS JOIN records AS r ON r.id = l.record_id
WHERE l.issue_id = :id AND l.record_id > :after
ORDER BY l.record_id;

-- name: comment
-- What is said of the open ones that a record is linked to.
UPDATE issues SET comment = :comment
WHERE id IN (SELECT issue_id FROM issue_records WHERE record_id = :record_id) AND resolved_ms IS NULL;

-- name: resolve
-- Those that a record is linked to.
UPDATE issues SET resolved_ms = :now, resolution = :resolution, resolved_by = :actor
WHERE id IN (SELECT issue_id FROM issue_records WHERE record_id = :record_id) AND resolved_ms IS NULL;

-- name: resolve_among
-- Open ones of a range of records, whichever of their records is in it.
UPDATE issues SET resolved_ms = :now, resolution = :resolution, resolved_by = :actor
WHERE resolved_ms IS NULL
  AND id IN (SELECT issue_id FROM issue_records WHERE record_id >= :first AND record_id <= :last);
