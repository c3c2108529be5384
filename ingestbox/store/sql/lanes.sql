-- name: count_enqueued
-- Runs in the transaction that makes deliveries, so that no lane ever counts one it does not have.
UPDATE lanes SET enqueued = enqueued + :n;

-- name: open
-- A new lane starts before the first delivery there is. Seqs are numbered without gaps and leave from the
-- bottom alone, so their count is a difference: counting a million rows would hold the writer for seconds.
INSERT INTO lanes (name, url, enqueued, since_ms)
VALUES (
    :name,
    :url,
    (SELECT coalesce((SELECT max(seq) FROM deliveries) - (SELECT min(seq) FROM deliveries) + 1, 0)),
    :now
)
ON CONFLICT (name) DO UPDATE
SET url = excluded.url, state = 'running', reason = NULL, next_try_ms = NULL, since_ms = excluded.since_ms;

-- name: names
SELECT name, state, held_ms FROM lanes ORDER BY name;

-- name: hold
-- Who holds a lane that is held already changes nothing.
UPDATE lanes SET held_by = :actor, held_ms = :now, held_reason = :reason WHERE name = :name AND held_ms IS NULL;

-- name: release
UPDATE lanes SET held_by = NULL, held_ms = NULL, held_reason = NULL WHERE name = :name AND held_ms IS NOT NULL;

-- name: close
UPDATE lanes SET state = 'off', reason = NULL, next_try_ms = NULL, since_ms = :now WHERE name = :name;

-- name: position
SELECT cursor, chain_epoch, chain_seq FROM lanes WHERE name = :name;

-- name: pending
-- The lines after a seq, up to a number and to a sum of bytes (but one at least): each with whether this lane
-- has parked it, and with the last seq there is, which tells whether more is pending.
-- The cast costs nothing, and a flipped bit can make a text of a blob.
SELECT
    d.seq, d.epoch, CAST(d.line AS BLOB), d.crc, p.seq IS NOT NULL,
    (SELECT max(seq) FROM deliveries)
FROM deliveries AS d LEFT JOIN parked AS p ON p.lane = :lane AND p.seq = d.seq
WHERE d.seq > :after AND d.seq <= (
    SELECT coalesce(max(seq) FILTER (WHERE total <= :size), min(seq))
    FROM (
        SELECT seq, sum(bytes) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS total
        FROM (
            SELECT seq, length(line) + 1 AS bytes FROM deliveries
            WHERE seq > :after
            ORDER BY seq LIMIT :lines
        )
    )
)
ORDER BY d.seq;

-- name: again
-- The same inside a gap that the upstream reported, for the epoch that the gap is in.
SELECT
    d.seq, d.epoch, CAST(d.line AS BLOB), d.crc, p.seq IS NOT NULL,
    (SELECT max(seq) FROM deliveries WHERE seq < :first AND epoch = :epoch)
FROM deliveries AS d LEFT JOIN parked AS p ON p.lane = :lane AND p.seq = d.seq
WHERE d.epoch = :epoch AND d.seq > :after AND d.seq <= (
    SELECT coalesce(max(seq) FILTER (WHERE total <= :size), min(seq))
    FROM (
        SELECT seq, sum(bytes) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS total
        FROM (
            SELECT seq, length(line) + 1 AS bytes FROM deliveries
            WHERE seq > :after AND seq < :first AND epoch = :epoch
            ORDER BY seq LIMIT :lines
        )
    )
)
ORDER BY d.seq;

-- name: advance
-- `after` is where the batch was read from: a lane that was moved meanwhile is left alone.
UPDATE lanes
SET cursor = :last, chain_epoch = :epoch, chain_seq = :last,
    delivered = delivered + :delivered, delivered_ms = :now
WHERE name = :name AND cursor = :after;

-- name: park
INSERT INTO parked (lane, seq, code, message, at_ms)
VALUES (:lane, :seq, :code, :message, :now)
ON CONFLICT (lane, seq) DO NOTHING;

-- name: undeliver
-- A line counted as delivered was refused, or found damaged, when it was sent again.
UPDATE lanes SET delivered = delivered - :n WHERE name = :name;

-- name: mark
UPDATE lanes SET state = :state, reason = :reason, since_ms = :since, next_try_ms = :next_try WHERE name = :name;

-- name: overview
-- For status and metrics: `newest` and the oldest pending line come from the ends of the key, not by counting.
SELECT
    name, url, state, reason, since_ms, next_try_ms, cursor, enqueued, delivered, delivered_ms,
    (SELECT count(*) FROM parked WHERE lane = name AND state IN ('parked', 'again')) AS parked,
    coalesce((SELECT max(seq) FROM deliveries), 0) AS newest,
    (SELECT min(seq) FROM deliveries WHERE seq > cursor) AS oldest_seq,
    (SELECT at_ms FROM deliveries WHERE seq > cursor ORDER BY seq LIMIT 1) AS oldest_ms,
    held_by, held_ms, held_reason,
    (SELECT count(*) FROM parked WHERE lane = name AND state = 'discarded') AS discarded
FROM lanes
ORDER BY name;

-- name: count_between
-- Part of the doctor's true count, in pages so that no read lasts.
SELECT count(*), max(seq) FROM (SELECT seq FROM deliveries WHERE seq > :after AND seq <= :until ORDER BY seq LIMIT :limit);
