-- name: private
SELECT name FROM private_families;

-- name: forget_private
DELETE FROM private_families;

-- name: name_private
INSERT INTO private_families (name) VALUES (:name);

-- name: minutes
-- Of one workspace, summed to steps of so many seconds. With a subject, of private families only what they made.
SELECT family, at - at % :step, SUM(received), SUM(finished), SUM(issues), SUM(delivered)
FROM series_minutes
WHERE workspace = :workspace AND at >= :since AND at < :until
  AND (:subject IS NULL OR owner = :subject
       OR (owner = '' AND family NOT IN (SELECT value FROM json_each(:private))))
GROUP BY family, at - at % :step;

-- name: hours
SELECT family, at - at % :step, SUM(received), SUM(finished), SUM(issues), SUM(delivered)
FROM series_hours
WHERE workspace = :workspace AND at >= :since AND at < :until
  AND (:subject IS NULL OR owner = :subject
       OR (owner = '' AND family NOT IN (SELECT value FROM json_each(:private))))
GROUP BY family, at - at % :step;

-- name: minutes_everywhere
SELECT family, at - at % :step, SUM(received), SUM(finished), SUM(issues), SUM(delivered)
FROM series_minutes INDEXED BY series_minutes_by_time
WHERE at >= :since AND at < :until
  AND (:subject IS NULL OR owner = :subject
       OR (owner = '' AND family NOT IN (SELECT value FROM json_each(:private))))
GROUP BY family, at - at % :step;

-- name: hours_everywhere
SELECT family, at - at % :step, SUM(received), SUM(finished), SUM(issues), SUM(delivered)
FROM series_hours INDEXED BY series_hours_by_time
WHERE at >= :since AND at < :until
  AND (:subject IS NULL OR owner = :subject
       OR (owner = '' AND family NOT IN (SELECT value FROM json_each(:private))))
GROUP BY family, at - at % :step;

-- name: old_minutes
SELECT workspace, at, family, owner, received, finished, issues, delivered
FROM series_minutes INDEXED BY series_minutes_by_time
WHERE at < :before ORDER BY at LIMIT :limit;

-- name: add_to_hour
INSERT INTO series_hours (workspace, at, family, owner, received, finished, issues, delivered)
VALUES (:workspace, :at, :family, :owner, :received, :finished, :issues, :delivered)
ON CONFLICT (workspace, at, family, owner) DO UPDATE
SET received = received + excluded.received, finished = finished + excluded.finished,
    issues = issues + excluded.issues, delivered = delivered + excluded.delivered;

-- name: remove_minute
DELETE FROM series_minutes WHERE workspace = :workspace AND at = :at AND family = :family AND owner = :owner;

-- name: prune
DELETE FROM series_hours WHERE (workspace, at, family, owner) IN (
    SELECT workspace, at, family, owner FROM series_hours INDEXED BY series_hours_by_time
    WHERE at < :before ORDER BY at LIMIT :limit
);
