-- What a lane takes is asked in the same words everywhere: lists are JSON, NULL for everything, and what other boxes
-- sent here has no record. `record_id` stands before the line in a row, so that long lines are not read for it.

-- name: count_enqueued
UPDATE lanes SET enqueued = enqueued + :n, enqueued_bytes = enqueued_bytes + :bytes
WHERE (families IS NULL OR :family IN (SELECT value FROM json_each(families)))
  AND (kinds IS NULL OR :kind IN (SELECT value FROM json_each(kinds)))
  AND (workspaces IS NULL OR :workspace IN (SELECT value FROM json_each(workspaces)))
  AND (ops IS NULL OR :op IN (SELECT value FROM json_each(ops)))
  AND (relay = 1 OR :relayed = 0);

-- name: rows
-- As a start finds them.
SELECT name, state, held_ms, cursor, fresh_first, fresh_last, families, kinds, workspaces, ops, relay
FROM lanes
ORDER BY name;

-- name: add
-- A new lane starts before the first delivery there is.
INSERT INTO lanes (name, url, enqueued, enqueued_bytes, since_ms, families, kinds, workspaces, ops, relay)
VALUES (:name, :url, :lines, :bytes, :now, :families, :kinds, :workspaces, :ops, :relay);

-- name: open
-- One that is known goes on from its cursor.
UPDATE lanes
SET url = :url, state = 'running', reason = NULL, next_try_ms = NULL, since_ms = :now
WHERE name = :name;

-- name: take_other
-- What it takes was changed: what it ever had is set anew from what is pending now.
UPDATE lanes
SET families = :families, kinds = :kinds, workspaces = :workspaces, ops = :ops, relay = :relay,
    enqueued = delivered + (SELECT count(*) FROM parked WHERE lane = name) + :lines,
    enqueued_bytes = decided_bytes + :bytes
WHERE name = :name;

-- name: takes
SELECT families, kinds, workspaces, ops, relay FROM lanes WHERE name = :name;

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
SELECT cursor, chain_epoch, chain_seq, replays, replay_until, fresh_first, fresh_last,
       (SELECT epoch FROM deliveries WHERE seq = fresh_last),
       coalesce(families, kinds, workspaces, ops) IS NULL AND relay = 1
FROM lanes
WHERE name = :name;

-- name: pending
-- The lines after a seq, each with whether this lane has parked it, and with the last seq there is, which tells
-- whether more is pending. Whoever reads them stops where a batch is full: a LIMIT that is a parameter has SQLite
-- compile the statement at each call.
-- The cast costs nothing, and a flipped bit can make a text of a blob.
SELECT
    d.seq, d.epoch, CAST(d.line AS BLOB), d.crc, p.seq IS NOT NULL,
    (SELECT max(seq) FROM deliveries WHERE seq <= :until)
FROM deliveries AS d LEFT JOIN parked AS p ON p.lane = :lane AND p.seq = d.seq
WHERE d.seq > :after AND d.seq <= :until
ORDER BY d.seq;

-- name: again
-- The same inside a gap that the upstream reported, for the epoch that the gap is in.
SELECT
    d.seq, d.epoch, CAST(d.line AS BLOB), d.crc, p.seq IS NOT NULL,
    (SELECT max(seq) FROM deliveries WHERE seq <= :until AND epoch = :epoch)
FROM deliveries AS d LEFT JOIN parked AS p ON p.lane = :lane AND p.seq = d.seq
WHERE d.epoch = :epoch AND d.seq > :after AND d.seq <= :until
ORDER BY d.seq;

-- name: ends
-- The first and the last there is of a range, whatever lane's.
SELECT
    (SELECT min(seq) FROM deliveries WHERE seq > :after AND seq <= :until),
    (SELECT max(seq) FROM deliveries WHERE seq <= :until);

-- name: taken
-- Of a range what a lane takes: as many as fit are chosen by their sizes.
SELECT seq, epoch, length(line) + 1
FROM deliveries
WHERE seq > :after AND seq <= :until AND (:epoch IS NULL OR epoch = :epoch)
  AND (:families IS NULL OR family IN (SELECT value FROM json_each(:families)))
  AND (:kinds IS NULL OR kind IN (SELECT value FROM json_each(:kinds)))
  AND (:workspaces IS NULL OR workspace IN (SELECT value FROM json_each(:workspaces)))
  AND (:ops IS NULL OR op IN (SELECT value FROM json_each(:ops)))
  AND (:relay OR record_id <> 0)
ORDER BY seq
LIMIT :lines;

-- name: lines
-- The chosen ones, as `pending` has them.
SELECT d.seq, d.epoch, CAST(d.line AS BLOB), d.crc, p.seq IS NOT NULL
FROM deliveries AS d LEFT JOIN parked AS p ON p.lane = :lane AND p.seq = d.seq
WHERE d.seq > :after AND d.seq <= :until AND (:epoch IS NULL OR epoch = :epoch)
  AND (:families IS NULL OR family IN (SELECT value FROM json_each(:families)))
  AND (:kinds IS NULL OR kind IN (SELECT value FROM json_each(:kinds)))
  AND (:workspaces IS NULL OR workspace IN (SELECT value FROM json_each(:workspaces)))
  AND (:ops IS NULL OR op IN (SELECT value FROM json_each(:ops)))
  AND (:relay OR record_id <> 0)
ORDER BY d.seq;

-- name: advance
-- `after` is where the batch was read from: a lane that was moved meanwhile is left alone. One that comes to what went
-- ahead of its turn goes on behind that, also in its chain. Where nothing is left, the bytes are set right: those of lines that were
-- reworded between are not known to the byte.
UPDATE lanes
SET cursor = iif(:through >= fresh_first - 1, max(:through, fresh_last), :through),
    fresh_first = iif(:through >= fresh_first - 1, NULL, fresh_first),
    fresh_last = iif(:through >= fresh_first - 1, NULL, fresh_last),
    chain_epoch = coalesce(
        (SELECT epoch FROM deliveries WHERE :through >= fresh_first - 1 AND seq = fresh_last AND seq >= fresh_first),
        :epoch
    ),
    chain_seq = iif(:through >= fresh_first - 1 AND fresh_last >= fresh_first, fresh_last, :last),
    delivered = delivered + :delivered, delivered_ms = iif(:delivered, :now, delivered_ms),
    decided_bytes = iif(:through >= (SELECT max(seq) FROM deliveries), enqueued_bytes, decided_bytes + :size)
WHERE name = :name AND cursor = :after;

-- name: pass_over
UPDATE lanes
SET cursor = iif(:through >= fresh_first - 1, max(:through, fresh_last), :through),
    chain_epoch = coalesce(
        (SELECT epoch FROM deliveries WHERE :through >= fresh_first - 1 AND seq = fresh_last AND seq >= fresh_first),
        chain_epoch
    ),
    chain_seq = iif(:through >= fresh_first - 1 AND fresh_last >= fresh_first, fresh_last, chain_seq),
    fresh_first = iif(:through >= fresh_first - 1, NULL, fresh_first),
    fresh_last = iif(:through >= fresh_first - 1, NULL, fresh_last),
    decided_bytes = iif(:through >= (SELECT max(seq) FROM deliveries), enqueued_bytes, decided_bytes)
WHERE name = :name AND cursor = :after;

-- name: count_delivered
-- Counted down from the last, so that what lies before the first is not looked at.
INSERT INTO series_minutes (workspace, at, family, owner, delivered)
SELECT workspace, :at, family, '', count(*)
FROM (
    SELECT workspace, family
    FROM deliveries AS d
    WHERE seq > :after AND seq <= :last
    AND (:families IS NULL OR family IN (SELECT value FROM json_each(:families)))
    AND (:kinds IS NULL OR kind IN (SELECT value FROM json_each(:kinds)))
    AND (:workspaces IS NULL OR workspace IN (SELECT value FROM json_each(:workspaces)))
    AND (:ops IS NULL OR op IN (SELECT value FROM json_each(:ops)))
    AND (:relay OR record_id <> 0)
      AND NOT EXISTS (SELECT 1 FROM parked AS p WHERE p.lane = :lane AND p.seq = d.seq)
    ORDER BY seq DESC
    LIMIT :lines
)
WHERE true
GROUP BY workspace, family
ON CONFLICT (workspace, at, family, owner) DO UPDATE SET delivered = delivered + excluded.delivered;

-- name: count_all_delivered
-- The same where all of a range were: nothing is asked of a line but whose it is.
INSERT INTO series_minutes (workspace, at, family, owner, delivered)
SELECT workspace, :at, family, '', count(*) FROM deliveries WHERE seq > :after AND seq <= :last
GROUP BY workspace, family
ON CONFLICT (workspace, at, family, owner) DO UPDATE SET delivered = delivered + excluded.delivered;

-- name: undeliver
-- A line counted as delivered was refused, or found damaged, when it was sent again.
UPDATE lanes SET delivered = delivered - :n WHERE name = :name;

-- name: mark
UPDATE lanes SET state = :state, reason = :reason, since_ms = :since, next_try_ms = :next_try WHERE name = :name;

-- name: overview
-- For status and metrics: nothing is counted here but what was refused.
SELECT
    name, url, state, reason, since_ms, next_try_ms, cursor, enqueued, delivered, delivered_ms,
    enqueued_bytes, decided_bytes, held_by, held_ms, held_reason, replay_until, fresh_first, fresh_last,
    families, kinds, workspaces, ops, relay,
    (SELECT count(*) FROM parked WHERE lane = name AND state IN ('parked', 'again')) AS parked,
    (SELECT count(*) FROM parked WHERE lane = name AND state = 'discarded') AS discarded,
    (SELECT max(seq) FROM deliveries) AS newest
FROM lanes
ORDER BY name;

-- name: count_taken
-- How many of a range a lane takes, their bytes, and how many there are: part of true counts, in pages so that no read
-- lasts.
SELECT count(size), coalesce(sum(size), 0), count(*)
FROM (
    SELECT iif(
        NOT coalesce(seq BETWEEN :fresh_first AND :fresh_last, false)
        AND (:families IS NULL OR family IN (SELECT value FROM json_each(:families)))
        AND (:kinds IS NULL OR kind IN (SELECT value FROM json_each(:kinds)))
        AND (:workspaces IS NULL OR workspace IN (SELECT value FROM json_each(:workspaces)))
        AND (:ops IS NULL OR op IN (SELECT value FROM json_each(:ops)))
        AND (:relay OR record_id <> 0),
        length(line), NULL
    ) AS size
    FROM deliveries
    WHERE seq > :after AND seq <= :until
);

-- name: count_parked
-- How many of these are parked: as many as there are parked ones are looked at.
SELECT count(*), coalesce(sum(length(line)), 0)
FROM parked AS p CROSS JOIN deliveries AS d ON d.seq = p.seq
WHERE p.lane = :lane AND p.seq > :after AND p.seq <= :until
  AND NOT coalesce(p.seq BETWEEN :fresh_first AND :fresh_last, false)
  AND (:families IS NULL OR family IN (SELECT value FROM json_each(:families)))
  AND (:kinds IS NULL OR kind IN (SELECT value FROM json_each(:kinds)))
  AND (:workspaces IS NULL OR workspace IN (SELECT value FROM json_each(:workspaces)))
  AND (:ops IS NULL OR op IN (SELECT value FROM json_each(:ops)))
  AND (:relay OR record_id <> 0);

-- name: oldest
-- When the oldest was made that is pending of a range.
SELECT at_ms
FROM deliveries AS d
WHERE seq > :after AND seq <= :until AND NOT coalesce(seq BETWEEN :fresh_first AND :fresh_last, false)
  AND (:families IS NULL OR family IN (SELECT value FROM json_each(:families)))
  AND (:kinds IS NULL OR kind IN (SELECT value FROM json_each(:kinds)))
  AND (:workspaces IS NULL OR workspace IN (SELECT value FROM json_each(:workspaces)))
  AND (:ops IS NULL OR op IN (SELECT value FROM json_each(:ops)))
  AND (:relay OR record_id <> 0)
  AND NOT EXISTS (SELECT 1 FROM parked AS p WHERE p.lane = :lane AND p.seq = d.seq)
ORDER BY seq
LIMIT 1;

-- name: made_at
-- When the first after a seq was made, its epoch, and its own seq.
SELECT at_ms, epoch, seq FROM deliveries WHERE seq > :after ORDER BY seq LIMIT 1;

-- name: made_since
-- The first of a range that was made at or after a time.
SELECT seq FROM deliveries WHERE seq > :after AND seq <= :until AND at_ms >= :since ORDER BY seq LIMIT 1;

-- name: epoch_before
SELECT epoch FROM deliveries WHERE seq < :seq ORDER BY seq DESC LIMIT 1;

-- name: replay
-- The lane goes back; what went ahead of its turn goes again, too. Lines that it did not take when it went past them,
-- and takes now, were not delivered: they are new to it.
UPDATE lanes
SET cursor = :cursor, chain_epoch = :epoch, chain_seq = :chain,
    delivered = max(delivered - :lines, 0), enqueued = enqueued + max(:lines - delivered, 0),
    decided_bytes = decided_bytes - :bytes,
    replays = replays + 1, replay_until = max(replay_until, cursor, coalesce(fresh_last, 0)),
    fresh_first = NULL, fresh_last = NULL
WHERE name = :name
RETURNING replays, replay_until;

-- name: purged
-- How many lines have left the store since it was made.
SELECT purged_lines FROM box WHERE one = 1;

-- name: mark_fresh
-- Only within an epoch: upstreams order epochs by their first appearance.
UPDATE lanes
SET fresh_first = (SELECT max(seq) + 1 FROM deliveries), fresh_last = (SELECT max(seq) FROM deliveries)
WHERE name = :name AND fresh_first IS NULL AND cursor + :behind < (SELECT max(seq) FROM deliveries)
  AND (SELECT epoch FROM deliveries WHERE seq > cursor ORDER BY seq LIMIT 1)
      = (SELECT epoch FROM deliveries WHERE seq = (SELECT max(seq) FROM deliveries))
RETURNING fresh_first;

-- name: advance_fresh
-- The chain is that of what is behind: an upstream misses that until it comes, and is told so.
UPDATE lanes
SET fresh_last = :through,
    delivered = delivered + :delivered, delivered_ms = iif(:delivered, :now, delivered_ms), decided_bytes = decided_bytes + :size
WHERE name = :name AND fresh_last = :after;

-- name: forget
DELETE FROM lanes WHERE name = :name AND state = 'off';

-- name: counts
SELECT state, url, enqueued, delivered FROM lanes WHERE name = :name;

-- name: some_parked
SELECT seq FROM parked WHERE lane = :lane ORDER BY seq LIMIT :limit;

-- name: unpark
DELETE FROM parked WHERE lane = :lane AND seq = :seq;

-- name: give_up
-- Lines that are forgotten with their lane; its sums stay right while that goes on.
UPDATE lanes SET enqueued = enqueued - :n WHERE name = :name;
