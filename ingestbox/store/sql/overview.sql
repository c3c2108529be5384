-- name: made
-- What one person made of a private family, by state; the newest jobs, so that it takes milliseconds.
SELECT found.state, COUNT(*), SUM(found.total), SUM(found.processed),
       SUM(COALESCE(s.open_issues, found.issues) + found.refused)
FROM (
    SELECT id, state, total, processed, issues, refused FROM jobs INDEXED BY jobs_by_creator
    WHERE workspace = :workspace AND family = :family AND created_by = :subject AND state <> 'receiving'
    ORDER BY id DESC LIMIT :limit
) AS found
LEFT JOIN staged_jobs AS s ON s.job_id = found.id
GROUP BY found.state;
