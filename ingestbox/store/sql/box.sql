-- name: identity
SELECT box, epoch FROM box WHERE one = 1;

-- name: place
-- Who the box is, where it was, and whether it was never used: it made nothing, and nobody sent it anything.
SELECT box, epoch, place,
       next_seq = 1 AND NOT EXISTS (SELECT 1 FROM jobs) AND NOT EXISTS (SELECT 1 FROM sync_boxes)
FROM box
WHERE one = 1;

-- name: set_place
UPDATE box SET place = :place WHERE one = 1;

-- name: renew
UPDATE box SET box = :box, epoch = :epoch WHERE one = 1;

-- name: create
INSERT INTO box (one, box, epoch, next_seq, created_ms, probed_ms) VALUES (1, :box, :epoch, 1, :now, :now);

-- name: take_seqs
-- Numbers are taken in the transaction that uses them, so that none is ever skipped.
UPDATE box SET next_seq = next_seq + :n WHERE one = 1 RETURNING next_seq - :n;

-- name: probe
UPDATE box SET probed_ms = :now WHERE one = 1;

-- name: pages
-- The database's pages, those of them that are free, and their size in bytes.
SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size;

-- name: newest_times
-- The newest times that the store knows of: its making, its last upgrade, its last job, its last delivery.
SELECT MAX(at_ms) FROM (
    SELECT created_ms AS at_ms FROM box
    UNION ALL
    SELECT MAX(applied_ms) AS at_ms FROM migrations
    UNION ALL
    SELECT submitted_ms AS at_ms FROM jobs WHERE id = (SELECT MAX(id) FROM jobs)
    UNION ALL
    SELECT at_ms FROM deliveries WHERE seq = (SELECT MAX(seq) FROM deliveries)
) AS times;

-- name: quick_check
-- SQLite's own look at every page; twenty faults are enough to know.
PRAGMA quick_check(20);
