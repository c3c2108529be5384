-- name: insert
INSERT INTO deliveries (seq, epoch, op, workspace, family, kind, object_id, version, record_id, at_ms, line, crc)
VALUES (:seq, :epoch, :op, :workspace, :family, :kind, :object_id, :version, :record_id, :now, :line, :crc);

-- name: newest
-- Newest first, below a seq; without a limit: the reader stops when it has enough.
SELECT seq, op, workspace, family, kind, object_id, version, record_id, at_ms, epoch
FROM deliveries
WHERE seq < :below AND seq > :above
ORDER BY seq DESC;

-- name: all_of_record
SELECT seq, op, workspace, family, kind, object_id, version, record_id, at_ms, epoch
FROM deliveries
WHERE record_id = :record_id AND seq < :below AND seq > :above
ORDER BY seq DESC;

-- name: parked
SELECT d.seq, d.op, d.workspace, d.family, d.kind, d.object_id, d.version, d.record_id, d.at_ms, d.epoch
FROM parked AS p JOIN deliveries AS d ON d.seq = p.seq
WHERE p.lane = :lane AND p.seq < :below AND (p.state = 'discarded') = :discarded
ORDER BY p.seq DESC;

-- name: one
-- The cast costs nothing, and a flipped bit can make a text of a blob.
SELECT seq, op, workspace, family, kind, object_id, version, record_id, at_ms, epoch, CAST(line AS BLOB), crc
FROM deliveries
WHERE seq = :seq;

-- name: of_record
-- The newest that a record led to, and whether its object is still as the record made it.
SELECT d.seq, d.kind, d.object_id, d.version,
       EXISTS (
           SELECT 1 FROM objects AS o
           WHERE o.origin = '' AND o.workspace = d.workspace AND o.family = d.family AND o.kind = d.kind
             AND o.object_id = d.object_id AND o.version = d.version AND o.intake = d.record_id AND o.deleted = 0
       )
FROM deliveries AS d
WHERE d.record_id = :record_id AND d.op = 'put'
ORDER BY d.seq DESC
LIMIT 1;

-- name: lanes
-- Where each lane is that still runs, and what it takes.
SELECT name, cursor, fresh_first, fresh_last, families, kinds, workspaces, ops, relay FROM lanes WHERE state <> 'off' ORDER BY name;

-- name: parked_among
SELECT lane, seq, code, message, state FROM parked WHERE lane = :lane AND seq >= :first AND seq <= :last ORDER BY seq;

-- name: whole
-- All of them, for checks and exports; without a limit: the reader stops by itself.
SELECT seq, op, workspace, family, kind, object_id, version, record_id, at_ms, epoch, origin, CAST(line AS BLOB), crc
FROM deliveries WHERE seq > :after ORDER BY seq;
