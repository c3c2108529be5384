-- Forwarding that survives anything: what a lane leaves out, replays, what went ahead of its turn; where a box's data
-- lie; refused lines as issues; results of other boxes that go on upstream; what is old enough to go.
-- Times are Unix milliseconds.

-- What a lane takes: JSON lists, NULL for all. `relay`: also what other boxes sent here.
-- `cursor` is as far as the lane has looked: every delivery up to it is delivered, parked, discarded or not the lane's.
-- `enqueued` counts the lane's own alone, and enqueued_bytes the bytes of their lines; `decided_bytes` those of the
-- ones that are not pending any more.
-- What was sent before `replay_until` is sent again: for the `replays`th time, which the batches' keys tell.
-- Lines from `fresh_first` to `fresh_last` went ahead of their turn; those between cursor and `fresh_first` are behind.
ALTER TABLE lanes ADD COLUMN families TEXT;
ALTER TABLE lanes ADD COLUMN kinds TEXT;
ALTER TABLE lanes ADD COLUMN workspaces TEXT;
ALTER TABLE lanes ADD COLUMN ops TEXT;
ALTER TABLE lanes ADD COLUMN relay INTEGER NOT NULL DEFAULT 1;
ALTER TABLE lanes ADD COLUMN enqueued_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN decided_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN replays INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN replay_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN fresh_first INTEGER;
ALTER TABLE lanes ADD COLUMN fresh_last INTEGER;

-- The box that an object is of, where another sent it here: '' for this box's own. Such a delivery has no record.
ALTER TABLE deliveries ADD COLUMN origin TEXT NOT NULL DEFAULT '';

-- Where the data folder is, as far as it can be told from a copy: a copy that is started gets an epoch of its own.
ALTER TABLE box ADD COLUMN place TEXT;
