-- name: see
-- A box is known from its first batch on.
INSERT INTO sync_boxes (box, epoch, last_seen_ms) VALUES (:box, :epoch, :now)
ON CONFLICT (box, epoch) DO UPDATE SET last_seen_ms = excluded.last_seen_ms
RETURNING id;

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
UPDATE sync_boxes SET reused = reused + :n WHERE id = :source RETURNING reused;

-- name: tip
SELECT tip FROM sync_chains WHERE source = :source AND lane = :lane;

-- name: set_tip
INSERT INTO sync_chains (source, lane, tip) VALUES (:source, :lane, :tip)
ON CONFLICT (source, lane) DO UPDATE SET tip = excluded.tip;

-- name: gaps
SELECT after, until, first FROM sync_gaps WHERE source = :source AND lane = :lane ORDER BY after;

-- name: clear_gap
DELETE FROM sync_gaps WHERE source = :source AND lane = :lane AND after = :after;

-- name: add_gap
INSERT INTO sync_gaps (source, lane, after, until, first) VALUES (:source, :lane, :after, :until, :first);

-- name: boxes
-- A lane's chain has no gap up to its first one, or else up to its tip; of several lanes the furthest counts
-- (one that was renamed or taken out stays behind for ever).
SELECT
    b.id, b.box, b.epoch, b.last_seen_ms, b.lag_ms, b.reused,
    coalesce(
        (
            SELECT max(coalesce(
                (SELECT min(g.after) FROM sync_gaps AS g WHERE g.source = c.source AND g.lane = c.lane),
                c.tip
            ))
            FROM sync_chains AS c
            WHERE c.source = b.id
        ),
        0
    ) AS last_seq
FROM sync_boxes AS b
ORDER BY b.box, b.id;

-- name: all_gaps
SELECT DISTINCT source, after, first FROM sync_gaps ORDER BY source, after, first;
