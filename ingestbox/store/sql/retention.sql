-- name: place
-- How far every lane is, also those that are off (nothing without lanes), and the newest line there is.
SELECT (SELECT min(cursor) FROM lanes), coalesce((SELECT max(seq) FROM deliveries), 0);

-- name: page
-- Lines in their order, each with whether a lane has refused it: its time lies before its bytes, which are not read.
SELECT seq, at_ms, length(line), EXISTS (SELECT 1 FROM parked AS p WHERE p.seq = d.seq)
FROM deliveries AS d
WHERE seq > :after AND seq <= :through
ORDER BY seq LIMIT :limit;

-- name: remember
-- What these records became is told of them when the lines are gone.
INSERT INTO became (record_id, workspace, family, kind, object_id, version, seq)
SELECT record_id, workspace, family, kind, object_id, version, seq FROM deliveries AS d
WHERE seq IN (SELECT value FROM json_each(:seqs)) AND op = 'put' AND origin = '' AND record_id > 0
  AND seq <= (SELECT coalesce(min(cursor), :alone) FROM lanes)
  AND NOT EXISTS (SELECT 1 FROM parked AS p WHERE p.seq = d.seq)
ORDER BY seq
ON CONFLICT (record_id) DO UPDATE
SET kind = excluded.kind, object_id = excluded.object_id, version = excluded.version, seq = excluded.seq
WHERE excluded.seq > became.seq;

-- name: remove
-- A lane that was moved meanwhile keeps what it has to send again, one that refused a line keeps that.
DELETE FROM deliveries AS d
WHERE seq IN (SELECT value FROM json_each(:seqs))
  AND seq <= (SELECT coalesce(min(cursor), :alone) FROM lanes)
  AND NOT EXISTS (SELECT 1 FROM parked AS p WHERE p.seq = d.seq)
RETURNING seq, length(line);

-- name: count
UPDATE box
SET purged_seq = max(purged_seq, :seq), purged_lines = purged_lines + :lines,
    purged_bytes = purged_bytes + :bytes, purged_ms = :now
WHERE one = 1;

-- name: removed
-- What was removed since the box was made, and what is there: the oldest line, its time, and the newest.
SELECT purged_seq, purged_lines, purged_bytes, purged_ms,
       (SELECT min(seq) FROM deliveries), (SELECT at_ms FROM deliveries WHERE seq = (SELECT min(seq) FROM deliveries)),
       coalesce((SELECT max(seq) FROM deliveries), 0)
FROM box
WHERE one = 1;

-- name: behind
-- The lane that is furthest behind, one that is off before others.
SELECT name, state, cursor FROM lanes ORDER BY cursor, state = 'off' DESC, name LIMIT 1;

-- name: became
-- What a record led to whose line is gone, and whether its object is still as the record made it.
SELECT b.seq, b.kind, b.object_id, b.version,
       EXISTS (
           SELECT 1 FROM objects AS o
           WHERE o.origin = '' AND o.workspace = b.workspace AND o.family = b.family AND o.kind = b.kind
             AND o.object_id = b.object_id AND o.version = b.version AND o.intake = b.record_id AND o.deleted = 0
       )
FROM became AS b
WHERE b.record_id = :record_id;
