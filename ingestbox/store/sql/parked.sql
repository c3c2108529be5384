-- name: page
-- Newest first, below a seq; without a limit: the reader stops when it has enough. However many were given up, those
-- that were not are found at once.
SELECT p.seq, d.op, d.workspace, d.family, d.kind, d.object_id, d.version, d.record_id, d.at_ms, d.epoch,
       p.state, p.code, p.message, p.at_ms, p.decided_by, p.decided_ms, p.reason
FROM parked AS p INDEXED BY parked_states JOIN deliveries AS d ON d.seq = p.seq
WHERE p.lane = :lane AND p.state = :state AND p.seq < :below
ORDER BY p.seq DESC;

-- name: one
SELECT p.seq, d.op, d.workspace, d.family, d.kind, d.object_id, d.version, d.record_id, d.at_ms, d.epoch,
       p.state, p.code, p.message, p.at_ms, p.decided_by, p.decided_ms, p.reason
FROM parked AS p JOIN deliveries AS d ON d.seq = p.seq
WHERE p.lane = :lane AND p.seq = :seq;

-- name: again
-- What waits to be sent again, in order; without a limit: the reader stops where a batch ends.
SELECT d.seq, d.epoch, CAST(d.line AS BLOB), d.crc, p.decided_ms
FROM parked AS p INDEXED BY parked_states JOIN deliveries AS d ON d.seq = p.seq
WHERE p.lane = :lane AND p.state = 'again'
ORDER BY p.seq;

-- name: decide
-- Whose workspace's it is, and what was decided before; nothing for what is decided so already.
UPDATE parked SET state = :state, decided_by = :actor, decided_ms = :now, reason = :reason
WHERE lane = :lane AND seq = :seq AND state <> :state
RETURNING (SELECT workspace FROM deliveries AS d WHERE d.seq = parked.seq);

-- name: take
-- The upstream took these after all: what a person may have decided meanwhile came too late.
UPDATE lanes
SET delivered_ms = :now,
    delivered = delivered + (
        SELECT count(*) FROM parked WHERE lane = :lane AND seq IN (SELECT value FROM json_each(:seqs))
    )
WHERE name = :lane;

-- name: taken
DELETE FROM parked WHERE lane = :lane AND seq IN (SELECT value FROM json_each(:seqs));

-- name: refuse
-- Refused once more: it waits for a person again, unless one gave it up meanwhile.
UPDATE parked
SET state = 'parked', code = :code, message = :message, at_ms = :now,
    decided_by = NULL, decided_ms = NULL, reason = NULL
WHERE lane = :lane AND seq = :seq AND state = 'again';
