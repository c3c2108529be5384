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
