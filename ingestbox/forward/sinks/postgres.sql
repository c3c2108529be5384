-- {table} and {epochs} stand for the names of the lane's two tables; parameters are PostgreSQL's own.

-- name: exists
SELECT to_regclass($1) IS NOT NULL;

-- name: create_table
-- One row an object, its newest version. Keys are compared as bytes: cheaper, and the same in every locale.
CREATE TABLE {table} (
    box text COLLATE "C" NOT NULL,
    workspace text COLLATE "C" NOT NULL,
    family text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    epoch text NOT NULL,
    epoch_rank bigint NOT NULL,
    seq bigint NOT NULL,
    deleted boolean NOT NULL,
    at timestamptz NOT NULL,
    owner text,
    job_id text,
    hash text NOT NULL,
    record jsonb,
    result jsonb,
    lineage jsonb,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (box, workspace, family, kind, id)
);

-- name: create_epochs
-- Lives of boxes: a life that is first heard of later has the higher rank, whatever its versions are.
CREATE TABLE {epochs} (
    box text COLLATE "C" NOT NULL,
    epoch text COLLATE "C" NOT NULL,
    rank bigint GENERATED ALWAYS AS IDENTITY,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (box, epoch)
);

-- name: index_received
-- For whoever carries on what has come since the last time.
CREATE INDEX {received} ON {table} (received_at);

-- name: index_at
-- For questions about one kind of object over a time.
CREATE INDEX {made} ON {table} (workspace, family, kind, at);

-- name: put
-- Every object of a piece once. A version counts only if it is newer than what is there, so that a repeat, or
-- one that comes late, changes nothing; the row of a deleted object stays, and keeps older ones out.
WITH lives AS (
    INSERT INTO {epochs} (box, epoch)
    SELECT u.box, u.epoch FROM unnest($17::text[], $18::text[]) AS u (box, epoch)
    ON CONFLICT (box, epoch) DO UPDATE SET last_seen_at = excluded.last_seen_at
    RETURNING box, epoch, rank
)
INSERT INTO {table} AS kept (
    box, workspace, family, kind, id, version, epoch, epoch_rank, seq, deleted, at, owner, job_id, hash,
    record, result, lineage
)
SELECT
    u.box, u.workspace, u.family, u.kind, u.id, u.version, u.epoch, lives.rank, u.seq, u.deleted, u.at, u.owner,
    u.job_id, u.hash, u.record::jsonb, u.result::jsonb, u.lineage::jsonb
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bigint[],
    $9::boolean[], $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],
    $16::text[]
) AS u (
    box, workspace, family, kind, id, version, epoch, seq, deleted, at, owner, job_id, hash, record, result,
    lineage
)
JOIN lives ON lives.box = u.box AND lives.epoch = u.epoch
ON CONFLICT (box, workspace, family, kind, id) DO UPDATE
SET
    version = excluded.version,
    epoch = excluded.epoch,
    epoch_rank = excluded.epoch_rank,
    seq = excluded.seq,
    deleted = excluded.deleted,
    at = excluded.at,
    owner = excluded.owner,
    job_id = excluded.job_id,
    hash = excluded.hash,
    record = excluded.record,
    result = excluded.result,
    lineage = excluded.lineage,
    received_at = excluded.received_at
WHERE (excluded.epoch_rank, excluded.version) > (kept.epoch_rank, kept.version);
