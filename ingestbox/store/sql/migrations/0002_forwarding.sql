-- Forwarding: lanes with what they left behind, and the receiver's view of the boxes that send to it.
-- Times are Unix milliseconds.

-- One row a lane, by its configured name; a lane that is no longer configured stays, as `off`.
-- `cursor` is the highest seq that is decided: every delivery up to it is delivered or parked.
-- `chain_seq` is the last seq sent in `chain_epoch`: the next batch's Ingestbox-After.
-- Per lane, enqueued = delivered + (deliveries after the cursor) + parked.
CREATE TABLE lanes (
    name TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    cursor INTEGER NOT NULL DEFAULT 0,
    chain_epoch TEXT NOT NULL DEFAULT '',
    chain_seq INTEGER NOT NULL DEFAULT 0,
    enqueued INTEGER NOT NULL,
    delivered INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'retrying', 'paused', 'off')),
    reason TEXT,
    since_ms INTEGER NOT NULL,
    next_try_ms INTEGER,
    delivered_ms INTEGER
) WITHOUT ROWID;

-- Deliveries that a lane could not deliver: refused by its upstream, or damaged here.
CREATE TABLE parked (
    lane TEXT NOT NULL,
    seq INTEGER NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (lane, seq)
) WITHOUT ROWID;

-- Who sends here: one row for each epoch of each box, in order of their first appearance. `lag_ms` is the
-- age of the newest applied line at its arrival, that line being made at `newest_ms`; `reused` counts lines
-- that came with a seq already taken by other content.
CREATE TABLE sync_boxes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    box TEXT NOT NULL,
    epoch TEXT NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    newest_ms INTEGER,
    lag_ms INTEGER,
    reused INTEGER NOT NULL DEFAULT 0,
    UNIQUE (box, epoch)
);

-- Every line applied: its seq, and 64 bits of the SHA-256 of what it says.
CREATE TABLE sync_lines (
    source INTEGER NOT NULL REFERENCES sync_boxes (id),
    seq INTEGER NOT NULL,
    mark INTEGER NOT NULL,
    PRIMARY KEY (source, seq)
) WITHOUT ROWID;

-- The chain of batches of each lane: it reaches to `tip`, except for its gaps.
CREATE TABLE sync_chains (
    source INTEGER NOT NULL REFERENCES sync_boxes (id),
    lane TEXT NOT NULL,
    tip INTEGER NOT NULL,
    PRIMARY KEY (source, lane)
) WITHOUT ROWID;

-- What never came: the lines after `after` up to `until`, before the batch that began at `first`.
CREATE TABLE sync_gaps (
    source INTEGER NOT NULL REFERENCES sync_boxes (id),
    lane TEXT NOT NULL,
    after INTEGER NOT NULL,
    until INTEGER NOT NULL,
    first INTEGER NOT NULL,
    PRIMARY KEY (source, lane, after)
) WITHOUT ROWID;
