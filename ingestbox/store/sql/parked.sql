-- name: park
-- A line that is not stored any more stays as it was counted: nobody could see it, or decide about it.
INSERT INTO parked (lane, seq, code, message, at_ms)
SELECT :lane, :seq, :code, :message, :now WHERE EXISTS (SELECT 1 FROM deliveries WHERE seq = :seq)
ON CONFLICT (lane, seq) DO NOTHING;

-- name: open_issue
-- Of the record behind the line, if it is one of this box's.
INSERT INTO issues (job_id, record_id, code, message, created_ms, workspace, family, lane, seq, refusal)
SELECT j.id, d.record_id, :kind, :said, :now, j.workspace, j.family, :lane, d.seq, :code
FROM deliveries AS d CROSS JOIN jobs AS j ON j.id = d.record_id >> 24
WHERE d.seq = :seq AND d.record_id > 0;

-- name: close_issues
-- `seqs` is a JSON list, here and below.
UPDATE issues
SET resolved_ms = :now, resolution = :resolution, resolved_by = :actor, comment = COALESCE(:reason, comment)
WHERE lane = :lane AND lane IS NOT NULL AND seq IN (SELECT value FROM json_each(:seqs)) AND resolved_ms IS NULL;

-- name: reopen_issues
-- Lines that were given up are taken up again: the newest issue of each is open.
UPDATE issues SET resolved_ms = NULL, resolution = NULL, resolved_by = NULL
WHERE resolved_ms IS NOT NULL AND id IN (
    SELECT (SELECT MAX(i.id) FROM issues AS i WHERE i.lane = :lane AND i.seq = given.value AND i.lane IS NOT NULL)
    FROM json_each(:seqs) AS given
);

-- name: settle_issues
-- Before the rows go: who wanted the lines sent again put them right, also one who gave a line up too late.
UPDATE issues
SET resolved_ms = :now, resolution = 'retry',
    resolved_by = (SELECT p.decided_by FROM parked AS p WHERE p.lane = issues.lane AND p.seq = issues.seq)
WHERE id IN (
    SELECT (SELECT MAX(i.id) FROM issues AS i WHERE i.lane = p.lane AND i.seq = p.seq AND i.lane IS NOT NULL)
    FROM json_each(:seqs) AS given CROSS JOIN parked AS p ON p.lane = :lane AND p.seq = given.value
);

-- name: reword_issue
UPDATE issues SET message = :said, refusal = :code
WHERE lane = :lane AND seq = :seq AND lane IS NOT NULL AND resolved_ms IS NULL;

-- name: forget_issues
UPDATE issues SET resolved_ms = :now, resolution = 'lane_removed', resolved_by = 'system'
WHERE lane = :lane AND lane IS NOT NULL AND resolved_ms IS NULL AND seq IN (SELECT value FROM json_each(:seqs));

-- name: of_record
-- Its open refusals, oldest first.
SELECT lane, seq FROM issues WHERE record_id = :record_id AND resolved_ms IS NULL AND lane IS NOT NULL ORDER BY id;

-- name: refusals
-- Issues (a JSON list) of lines that are refused still, each with the state of its lane.
SELECT i.id, i.lane, i.seq, i.record_id, l.state
FROM json_each(:ids) AS given
CROSS JOIN issues AS i ON i.id = given.value
CROSS JOIN parked AS p ON p.lane = i.lane AND p.seq = i.seq
LEFT JOIN lanes AS l ON l.name = i.lane
WHERE i.resolved_ms IS NULL;

-- name: about
-- What was refused: the line's state in its lane (null: it is refused no more), when that was decided, and by whom; the
-- delivery; the version of the object by now, and its newest delivery, whichever record that was made of.
SELECT p.state, p.at_ms, p.decided_by, p.decided_ms, d.op, d.kind, d.object_id, d.version, l.state, o.version,
       (SELECT MAX(n.seq) FROM deliveries AS n WHERE n.record_id = o.intake AND n.object_id = d.object_id)
FROM deliveries AS d
LEFT JOIN objects AS o
  ON o.origin = '' AND o.workspace = d.workspace AND o.family = d.family AND o.kind = d.kind
 AND o.object_id = d.object_id
LEFT JOIN parked AS p ON p.lane = :lane AND p.seq = d.seq
LEFT JOIN lanes AS l ON l.name = :lane
WHERE d.seq = :seq;

-- name: refusing
-- The lanes that a delivery was refused by.
SELECT lanes.name, p.code, p.message, p.state,
       (SELECT MAX(i.id) FROM issues AS i WHERE i.lane = p.lane AND i.seq = p.seq AND i.lane IS NOT NULL)
FROM lanes CROSS JOIN parked AS p ON p.lane = lanes.name AND p.seq = :seq
ORDER BY lanes.name;

-- name: page
-- Newest first, below a seq; without a limit: the reader stops when it has enough. However many were given up, those
-- that were not are found at once.
SELECT p.seq, d.op, d.workspace, d.family, d.kind, d.object_id, d.version, d.record_id, d.at_ms, d.epoch,
       p.state, p.code, p.message, p.at_ms, p.decided_by, p.decided_ms, p.reason,
       (SELECT MAX(i.id) FROM issues AS i WHERE i.lane = p.lane AND i.seq = p.seq AND i.lane IS NOT NULL)
FROM parked AS p INDEXED BY parked_states JOIN deliveries AS d ON d.seq = p.seq
WHERE p.lane = :lane AND p.state = :state AND p.seq < :below
ORDER BY p.seq DESC;

-- name: one
SELECT p.seq, d.op, d.workspace, d.family, d.kind, d.object_id, d.version, d.record_id, d.at_ms, d.epoch,
       p.state, p.code, p.message, p.at_ms, p.decided_by, p.decided_ms, p.reason,
       (SELECT MAX(i.id) FROM issues AS i WHERE i.lane = p.lane AND i.seq = p.seq AND i.lane IS NOT NULL)
FROM parked AS p JOIN deliveries AS d ON d.seq = p.seq
WHERE p.lane = :lane AND p.seq = :seq;

-- name: again
-- What waits to be sent again, in order; without a limit: the reader stops where a batch ends.
SELECT d.seq, d.epoch, CAST(d.line AS BLOB), d.crc, p.decided_ms
FROM parked AS p INDEXED BY parked_states JOIN deliveries AS d ON d.seq = p.seq
WHERE p.lane = :lane AND p.state = 'again'
ORDER BY p.seq;

-- name: decide
-- Each with whose workspace's it is; nothing for what is decided so already.
UPDATE parked SET state = :state, decided_by = :actor, decided_ms = :now, reason = :reason
WHERE lane = :lane AND seq IN (SELECT value FROM json_each(:seqs)) AND state <> :state
  AND state IN (SELECT value FROM json_each(:among))
RETURNING seq, (SELECT workspace FROM deliveries AS d WHERE d.seq = parked.seq);

-- name: take
-- The upstream took these after all: what a person may have decided meanwhile came too late. Those that the lane, being
-- sent back, will come to once more are pending until then.
UPDATE lanes
SET delivered_ms = :now,
    delivered = delivered + (
        SELECT count(*) FROM parked AS p
        WHERE p.lane = :lane AND p.seq IN (SELECT value FROM json_each(:seqs)) AND NOT (
            p.seq > cursor AND NOT coalesce(p.seq BETWEEN fresh_first AND fresh_last, false)
            AND EXISTS (
                SELECT 1 FROM deliveries AS d
                WHERE d.seq = p.seq
                  AND (families IS NULL OR d.family IN (SELECT value FROM json_each(families)))
                  AND (kinds IS NULL OR d.kind IN (SELECT value FROM json_each(kinds)))
                  AND (workspaces IS NULL OR d.workspace IN (SELECT value FROM json_each(workspaces)))
                  AND (ops IS NULL OR d.op IN (SELECT value FROM json_each(ops)))
                  AND (relay = 1 OR d.record_id <> 0)
            )
        )
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

-- name: turn_taken
-- Whether objects of the same owner are being made or taken back. The condition on phases is that of the index.
SELECT 1
FROM staged_jobs AS s CROSS JOIN staged_jobs AS other
  ON other.workspace = s.workspace AND other.family = s.family AND other.owner = s.owner
 AND other.phase IN ('consolidating', 'undoing')
WHERE s.job_id = :job_id
LIMIT 1;

-- name: among
-- The bytes of those lines that the lane has parked.
SELECT coalesce(sum(length(d.line)), 0)
FROM json_each(:seqs) AS given
CROSS JOIN parked AS p ON p.lane = :lane AND p.seq = given.value
CROSS JOIN deliveries AS d ON d.seq = p.seq;

-- name: decided
UPDATE lanes SET decided_bytes = decided_bytes + :size WHERE name = :lane;

-- name: moot
-- Refused lines of a lane in their order, and whether it has delivered a newer version of the object since: one that it
-- takes, is past, and has not parked.
SELECT p.seq, EXISTS (
    SELECT 1
    FROM objects AS o CROSS JOIN deliveries AS n ON n.record_id = o.intake AND n.object_id = o.object_id
    WHERE o.origin = '' AND o.workspace = d.workspace AND o.family = d.family AND o.kind = d.kind
      AND o.object_id = d.object_id AND o.version > d.version
      AND n.version > d.version AND n.seq > p.seq AND n.seq <= l.cursor
      AND (l.ops IS NULL OR n.op IN (SELECT value FROM json_each(l.ops)))
      AND NOT EXISTS (SELECT 1 FROM parked AS other WHERE other.lane = p.lane AND other.seq = n.seq)
)
FROM parked AS p INDEXED BY parked_states
CROSS JOIN deliveries AS d ON d.seq = p.seq
CROSS JOIN lanes AS l ON l.name = p.lane
WHERE p.lane = :lane AND p.state = 'parked' AND p.seq > :after AND d.record_id > 0
ORDER BY p.seq
LIMIT :limit;
