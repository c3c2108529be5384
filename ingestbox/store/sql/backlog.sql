-- name: waiting
-- Records that wait for their turn or are worked on, from the tallies: a few rows, whatever the backlog is.
SELECT COALESCE(SUM(records - processed), 0) FROM job_tallies WHERE state = 'queued' OR state = 'running';
