-- name: jobs
-- Of one workspace, or of all when none is named; so are the others.
SELECT family, state, SUM(jobs), SUM(records), SUM(processed) FROM job_tallies
WHERE workspace = COALESCE(:workspace, workspace)
GROUP BY family, state;

-- name: objects
SELECT family, kind, remote, SUM(objects) FROM object_tallies
WHERE workspace = COALESCE(:workspace, workspace)
GROUP BY family, kind, remote;

-- name: issues
SELECT family, SUM(open) FROM issue_tallies
WHERE workspace = COALESCE(:workspace, workspace)
GROUP BY family;

-- name: oldest_unfinished
-- When the oldest unfinished job came in: of those worked on, those never tried, and those put off of which the
-- first thousand are looked at. Each part is a short range of an index.
SELECT MIN(submitted_ms) FROM (
    SELECT submitted_ms FROM (SELECT submitted_ms FROM jobs WHERE owner IS NOT NULL LIMIT 1000) AS owned
    UNION ALL
    SELECT submitted_ms FROM (
        SELECT submitted_ms FROM jobs WHERE state = 'queued' AND retry_ms IS NULL ORDER BY id LIMIT 1
    ) AS fresh
    UNION ALL
    SELECT submitted_ms FROM (
        SELECT submitted_ms FROM jobs WHERE state = 'queued' AND retry_ms > 0 ORDER BY retry_ms, id LIMIT 1000
    ) AS late
) AS unfinished;

-- name: wrong_jobs
-- For the doctor, which compares with a true count: rows where the two differ.
SELECT workspace, family, state, jobs, records, processed FROM job_tallies WHERE jobs <> 0 OR records <> 0 OR processed <> 0
EXCEPT
SELECT workspace, family, state, COUNT(*), SUM(total), SUM(processed) FROM jobs GROUP BY workspace, family, state;

-- name: missing_jobs
SELECT workspace, family, state, COUNT(*), SUM(total), SUM(processed) FROM jobs GROUP BY workspace, family, state
EXCEPT
SELECT workspace, family, state, jobs, records, processed FROM job_tallies;

-- name: wrong_objects
SELECT workspace, family, kind, remote, objects FROM object_tallies WHERE objects <> 0
EXCEPT
SELECT workspace, family, kind, origin <> '', COUNT(*) FROM objects WHERE deleted = 0
GROUP BY workspace, family, kind, origin <> '';

-- name: missing_objects
SELECT workspace, family, kind, origin <> '', COUNT(*) FROM objects WHERE deleted = 0
GROUP BY workspace, family, kind, origin <> ''
EXCEPT
SELECT workspace, family, kind, remote, objects FROM object_tallies;

-- name: wrong_issues
SELECT workspace, family, open FROM issue_tallies WHERE open <> 0
EXCEPT
SELECT workspace, family, COUNT(*) FROM issues WHERE resolved_ms IS NULL GROUP BY workspace, family;

-- name: missing_issues
SELECT workspace, family, COUNT(*) FROM issues WHERE resolved_ms IS NULL GROUP BY workspace, family
EXCEPT
SELECT workspace, family, open FROM issue_tallies;
