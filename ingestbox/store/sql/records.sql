-- name: insert
INSERT INTO records (id, key, state, payload, crc) VALUES (:id, :key, :state, :payload, :crc);

-- name: pending
SELECT id, key, payload, crc FROM records
WHERE id >= :first AND id < :beyond AND state = 'pending'
ORDER BY id
LIMIT :limit;

-- name: settle
UPDATE records SET state = :state WHERE id = :id;

-- name: remove_some
-- In slices, so that a large unfinished job never holds the writer for long.
DELETE FROM records
WHERE id IN (SELECT id FROM records WHERE id >= :first AND id < :beyond ORDER BY id LIMIT :limit);
