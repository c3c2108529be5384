-- name: see
-- A box is known from its first batch on, or from the first line of it that another box passed on.
INSERT INTO sync_boxes (box, epoch, last_seen_ms) VALUES (:box, :epoch, :now)
ON CONFLICT (box, epoch) DO UPDATE SET last_seen_ms = excluded.last_seen_ms, through = NULL
RETURNING id;

-- name: hear
-- One that sends here itself stays so.
INSERT INTO sync_boxes (box, epoch, last_seen_ms, through) VALUES (:box, :epoch, :now, :through)
ON CONFLICT (box, epoch) DO UPDATE
SET last_seen_ms = iif(through IS NULL, last_seen_ms, excluded.last_seen_ms),
    through = iif(through IS NULL, NULL, excluded.through)
RETURNING id;

-- name: relaying
-- What the lanes take that pass on what other boxes sent here; a list that is NULL is everything.
SELECT families, kinds, workspaces, ops, relay FROM lanes WHERE state <> 'off' AND relay = 1;

-- name: pass_on
-- It has no record here.
INSERT INTO deliveries
    (seq, epoch, op, workspace, family, kind, object_id, version, record_id, at_ms, line, crc, origin)
VALUES (:seq, :epoch, :op, :workspace, :family, :kind, :object_id, :version, 0, :now, :line, :crc, :origin);

-- name: mark_of
SELECT mark FROM sync_lines WHERE source = :source AND seq = :seq;

-- name: mark
INSERT INTO sync_lines (source, seq, mark) VALUES (:source, :seq, :mark);

-- name: version
SELECT intake, version FROM objects
WHERE origin = :origin AND workspace = :workspace AND family = :family AND kind = :kind AND object_id = :object_id;

-- name: put_object
-- For an object from elsewhere `intake` is the rank of the epoch that its version belongs to.
INSERT INTO objects (origin, workspace, family, kind, object_id, version, intake, deleted)
VALUES (:origin, :workspace, :family, :kind, :object_id, :version, :rank, :deleted)
ON CONFLICT (origin, workspace, family, kind, object_id) DO UPDATE
SET version = excluded.version, intake = excluded.intake, deleted = excluded.deleted;

-- name: arrived
-- The lag belongs to the newest line; an older one that comes late does not change it. One that seems to come
-- from the future was made by a clock that was wrong, and must not stay the newest for ever.
UPDATE sync_boxes
SET lag_ms = max(0, :now - :newest), newest_ms = :newest
WHERE id = :source AND (newest_ms IS NULL OR newest_ms <= :newest OR newest_ms > :now);

-- name: reuse
UPDATE sync_boxes SET reused = reused + :n, reused_ms = :now WHERE id = :source RETURNING reused;

-- name: tip
SELECT tip FROM sync_chains WHERE source = :source AND lane = :lane;

-- name: set_tip
INSERT INTO sync_chains (source, lane, tip, last_ms) VALUES (:source, :lane, :tip, :now)
ON CONFLICT (source, lane) DO UPDATE SET tip = excluded.tip, last_ms = excluded.last_ms;

-- name: gaps
SELECT after, until, first, since_ms FROM sync_gaps WHERE source = :source AND lane = :lane ORDER BY after;

-- name: clear_gap
DELETE FROM sync_gaps WHERE source = :source AND lane = :lane AND after = :after;

-- name: add_gap
INSERT INTO sync_gaps (source, lane, after, until, first, since_ms)
VALUES (:source, :lane, :after, :until, :first, :since);

-- name: boxes
-- Those that sent last, by box and then by first appearance. A lane's chain has no gap up to its first one, or else
-- up to its tip; of several lanes the furthest counts (one that was renamed or taken out stays behind for ever).
SELECT
    latest.id, latest.box, latest.epoch, latest.last_seen_ms, latest.lag_ms, latest.reused, latest.reused_ms,
    coalesce(
        (
            SELECT max(coalesce(
                (SELECT min(g.after) FROM sync_gaps AS g WHERE g.source = c.source AND g.lane = c.lane),
                c.tip
            ))
            FROM sync_chains AS c
            WHERE c.source = latest.id
        ),
        0
    ) AS last_seq
FROM (
    SELECT * FROM sync_boxes WHERE through IS NULL ORDER BY last_seen_ms DESC, id DESC LIMIT :limit
) AS latest
ORDER BY latest.box, latest.id;

-- name: chains
-- How far each lane of a box's epoch is, and when it sent last.
SELECT lane, tip, last_ms FROM sync_chains WHERE source = :source ORDER BY last_ms DESC, lane LIMIT :limit;

-- name: gaps_of
SELECT lane, after, first, since_ms FROM sync_gaps WHERE source = :source ORDER BY after, first, lane LIMIT :limit;

-- name: heard
-- Boxes that only others tell of, and the one that did so last.
SELECT h.box, h.epoch, b.box, h.last_seen_ms
FROM sync_boxes AS h JOIN sync_boxes AS b ON b.id = h.through
ORDER BY h.last_seen_ms DESC, h.id DESC
LIMIT :limit;
