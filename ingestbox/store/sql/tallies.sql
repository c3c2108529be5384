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

-- name: staged
-- Staged jobs that are not at their end; the condition is that of their index.
SELECT family, phase, COUNT(*) FROM staged_jobs
WHERE phase NOT IN ('done', 'undone', 'cancelled') AND workspace = COALESCE(:workspace, workspace)
GROUP BY family, phase;

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

-- name: kept_jobs
-- For the doctor, which compares what the triggers kept with a true count; here and below.
SELECT workspace, family, state, jobs, records, processed FROM job_tallies
WHERE jobs <> 0 OR records <> 0 OR processed <> 0;

-- name: true_jobs
SELECT workspace, family, state, COUNT(*), SUM(total), SUM(processed) FROM jobs GROUP BY workspace, family, state;

-- name: kept_objects
SELECT workspace, family, kind, remote, objects FROM object_tallies WHERE objects <> 0;

-- name: true_objects
-- Counted in the order of the key first: without a sort it takes less than half the time.
SELECT workspace, family, kind, remote, SUM(n)
FROM (
    SELECT workspace, family, kind, origin <> '' AS remote, COUNT(*) AS n
    FROM objects WHERE deleted = 0
    GROUP BY origin, workspace, family, kind
) AS parts
GROUP BY workspace, family, kind, remote;

-- name: kept_issues
SELECT workspace, family, open FROM issue_tallies WHERE open <> 0;

-- name: true_issues
SELECT workspace, family, COUNT(*) FROM issues WHERE resolved_ms IS NULL GROUP BY workspace, family;

-- name: kept_tickets
SELECT workspace, day, sentiment, language, tickets, points FROM ticket_days WHERE tickets <> 0 OR points <> 0;

-- name: true_tickets
SELECT workspace, day, sentiment, language, COUNT(*), SUM(points) FROM tickets
GROUP BY workspace, day, sentiment, language;

-- name: kept_totals
SELECT workspace, sentiment, language, tickets FROM ticket_totals WHERE tickets <> 0;

-- name: true_totals
SELECT workspace, sentiment, language, SUM(tickets) FROM ticket_days
GROUP BY workspace, sentiment, language HAVING SUM(tickets) <> 0;

-- name: kept_entities
-- Of these there may be a million: only those that are wrong, here and below.
SELECT workspace, key, tickets FROM entities AS e
WHERE tickets <> (SELECT COUNT(*) FROM ticket_entities WHERE entity = e.id);

-- name: true_entities
SELECT workspace, key, (SELECT COUNT(*) FROM ticket_entities WHERE entity = e.id) FROM entities AS e
WHERE tickets <> (SELECT COUNT(*) FROM ticket_entities WHERE entity = e.id);

-- name: kept_staged
SELECT job_id, open_issues, issues_seen FROM staged_jobs WHERE open_issues <> 0 OR issues_seen <> 0;

-- name: true_staged
SELECT s.job_id, SUM(i.resolved_ms IS NULL), COUNT(*) FROM staged_jobs AS s JOIN issues AS i ON i.job_id = s.job_id
WHERE i.lane IS NULL
GROUP BY s.job_id;

-- name: kept_refused
SELECT id, refused FROM jobs WHERE refused <> 0;

-- name: true_refused
SELECT job_id, COUNT(*) FROM issues WHERE lane IS NOT NULL AND resolved_ms IS NULL GROUP BY job_id;

-- name: kept_contacts
SELECT workspace, remote, owner, contacts FROM contact_tallies WHERE contacts <> 0;

-- name: true_contacts
SELECT workspace, origin <> '', owner, COUNT(*) FROM contacts GROUP BY workspace, origin <> '', owner;

-- name: kept_companies
SELECT workspace, owner, company_key, contacts FROM contact_companies;

-- name: true_companies
SELECT workspace, owner, company_key, COUNT(*) FROM contacts WHERE origin = '' AND company_key <> ''
GROUP BY workspace, owner, company_key;

-- name: kept_uploads
-- Of audience uploads that came from other boxes: how many records there are of each.
SELECT workspace, origin, public_id, stored FROM audience_uploads WHERE origin <> '';

-- name: true_uploads
-- Counted along the index of their places; of records without an upload its number is told.
SELECT COALESCE(u.workspace, ''), COALESCE(u.origin, ''), COALESCE(u.public_id, CAST(counted.upload AS TEXT)), counted.n
FROM (SELECT upload, COUNT(*) AS n FROM audience_records WHERE origin <> '' GROUP BY upload) AS counted
LEFT JOIN audience_uploads AS u ON u.id = counted.upload;
