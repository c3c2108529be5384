-- name: insert
INSERT INTO records (id, key, state, payload, crc) VALUES (:id, :key, :state, :payload, :crc);

-- name: pending
-- The casts cost nothing, and a flipped bit can make a text of a blob, or a text that is not UTF-8.
SELECT id, CAST(key AS BLOB), CAST(payload AS BLOB), crc FROM records
WHERE id >= :first AND id < :beyond AND state = 'pending'
ORDER BY id
LIMIT :limit;

-- name: settle
UPDATE records SET state = :state WHERE id = :id;

-- name: remove_some
-- In slices, so that a large unfinished job never holds the writer for long.
DELETE FROM records
WHERE id IN (SELECT id FROM records WHERE id >= :first AND id < :beyond ORDER BY id LIMIT :limit);

-- name: one
-- With its newest issue. The casts are as above.
SELECT id, CAST(key AS BLOB), state, CAST(payload AS BLOB), crc,
       COALESCE((SELECT MAX(l.issue_id) FROM issue_records AS l WHERE l.record_id = records.id), 0)
FROM records
WHERE id = :id;

-- name: mark
-- What tells one content and state of a record from another.
SELECT state, crc, COALESCE((SELECT MAX(l.issue_id) FROM issue_records AS l WHERE l.record_id = records.id), 0)
FROM records
WHERE id = :id;

-- name: of_job
-- In the order of their index; without a limit: the reader stops when it has enough.
SELECT id, CAST(key AS BLOB), state FROM records WHERE id >= :first AND id < :beyond ORDER BY id;

-- name: waiting_of_job
-- Those that wait on an issue, found by the issues; of a job whose issues have one record each, as below.
SELECT r.id, CAST(r.key AS BLOB), r.state
FROM issues AS i JOIN records AS r ON r.id = i.record_id
WHERE i.record_id >= :first AND i.record_id < :beyond AND i.resolved_ms IS NULL
  AND i.lane IS NULL
ORDER BY i.record_id;

-- name: linked
-- Those of a job that are or were in an issue, found by the links: a record comes once for each.
SELECT r.id, CAST(r.key AS BLOB), r.state
FROM issue_records AS l CROSS JOIN records AS r ON r.id = l.record_id
WHERE l.record_id >= :first AND l.record_id < :beyond
ORDER BY l.record_id;

-- name: of_issue
-- Those of one issue.
SELECT r.id, CAST(r.key AS BLOB), r.state
FROM issue_records AS l CROSS JOIN records AS r ON r.id = l.record_id
WHERE l.issue_id = :issue AND l.record_id >= :first AND l.record_id < :beyond
ORDER BY l.record_id;

-- name: of_refusal
-- The one behind a refused delivery, by its issue.
SELECT r.id, CAST(r.key AS BLOB), r.state
FROM issues AS i CROSS JOIN records AS r ON r.id = i.record_id
WHERE i.id = :issue AND i.lane IS NOT NULL AND i.record_id >= :first AND i.record_id < :beyond;

-- name: payload
SELECT CAST(key AS BLOB), CAST(payload AS BLOB), crc FROM records WHERE id = :id;

-- name: sizes
SELECT id, state, LENGTH(payload) FROM records WHERE id >= :first AND id < :beyond ORDER BY id LIMIT :limit;

-- name: waiting_sizes
SELECT r.id, r.state, LENGTH(r.payload)
FROM issues AS i JOIN records AS r ON r.id = i.record_id
WHERE i.record_id >= :first AND i.record_id < :beyond AND i.resolved_ms IS NULL
  AND i.lane IS NULL
ORDER BY i.record_id
LIMIT :limit;

-- name: rewrite
UPDATE records SET key = :key, payload = :payload, crc = :crc, state = 'pending' WHERE id = :id;

-- name: waiting_payloads
SELECT r.id, CAST(r.key AS BLOB), CAST(r.payload AS BLOB), r.crc
FROM issues AS i JOIN records AS r ON r.id = i.record_id
WHERE i.record_id >= :first AND i.record_id < :beyond AND i.resolved_ms IS NULL
  AND i.lane IS NULL
ORDER BY i.record_id
LIMIT :limit;

-- name: whole
-- All of them, for checks and exports (store/whole.py), with the public id, the family and the workspace of their jobs;
-- without a limit: the reader stops by itself. The casts are as above.
SELECT r.id, CAST(r.key AS BLOB), CAST(r.state AS BLOB), CAST(r.payload AS BLOB), r.crc, j.public_id, j.family, j.workspace,
       j.state
FROM records AS r LEFT JOIN jobs AS j ON j.id = r.id >> 24
WHERE r.id > :after ORDER BY r.id;
