-- The ledger: jobs, their records with an outcome each, issues, objects and deliveries.
-- Times are Unix milliseconds unless a column says otherwise.

CREATE TABLE migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    applied_ms INTEGER NOT NULL
);

-- One row: who this box is. `next_seq` numbers deliveries without gaps; `probed_ms` is what a health
-- check writes to see that the store takes writes.
CREATE TABLE box (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    box TEXT NOT NULL,
    epoch TEXT NOT NULL,
    next_seq INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    probed_ms INTEGER NOT NULL
);

-- `lease_at` is in seconds of the owner's monotonic clock: a lease means nothing to another process.
-- `cursor` is the index below which no record is pending.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id TEXT NOT NULL UNIQUE,
    family TEXT NOT NULL,
    workspace TEXT NOT NULL,
    created_by TEXT NOT NULL,
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state = 'queued' OR state = 'running' OR state = 'completed' OR state = 'receiving'
            OR state = 'review' OR state = 'failed' OR state = 'cancelled'),
    total INTEGER NOT NULL,
    processed INTEGER NOT NULL,
    issues INTEGER NOT NULL,
    cursor INTEGER NOT NULL DEFAULT 0,
    tallies TEXT NOT NULL DEFAULT '{}',
    warnings TEXT NOT NULL DEFAULT '[]',
    owner TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    lease_at REAL,
    retry_ms INTEGER,
    chunk_limit INTEGER NOT NULL DEFAULT 0,
    deaths INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    submitted_ms INTEGER NOT NULL,
    started_ms INTEGER,
    completed_ms INTEGER,
    updated_ms INTEGER NOT NULL
);
CREATE INDEX jobs_listed ON jobs (workspace, family, state, id);
CREATE INDEX jobs_queued ON jobs (retry_ms, id) WHERE state = 'queued';
CREATE INDEX jobs_receiving ON jobs (id) WHERE state = 'receiving';
CREATE INDEX jobs_owned ON jobs (id) WHERE owner IS NOT NULL;

-- `id` is job_id << 24 | index: in order of intake, and a job's records are a range of it.
-- `crc` is the CRC-32 of key and payload (model.checksum), checked whenever the payload is used.
-- The states are compared one by one: for an IN list SQLite builds a table, anew for each row, which doubled the
-- time of an insert.
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state = 'pending' OR state = 'done' OR state = 'superseded' OR state = 'issue' OR state = 'discarded'),
    payload BLOB NOT NULL,
    crc INTEGER NOT NULL
);

CREATE TABLE issues (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    field TEXT,
    created_ms INTEGER NOT NULL,
    resolved_ms INTEGER
);
CREATE INDEX issues_by_record ON issues (record_id);

-- An answer given once is given again to the same key; `status` is null while the first is still running.
CREATE TABLE idempotency (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    job_id INTEGER NOT NULL,
    status INTEGER,
    body BLOB,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_ms);
CREATE INDEX idempotency_running ON idempotency (job_id) WHERE status IS NULL;

-- The head of every object: its version, and the intake (a record id) that gave it. `origin` is '' for
-- this box's own objects, else the box they came from; a deleted object stays as its tombstone.
CREATE TABLE objects (
    origin TEXT NOT NULL,
    workspace TEXT NOT NULL,
    family TEXT NOT NULL,
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    intake INTEGER NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (origin, workspace, family, kind, object_id)
) WITHOUT ROWID;

-- What is to go upstream. The bytes of a line are made once and never change; `crc` is their CRC-32.
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY,
    epoch TEXT NOT NULL,
    op TEXT NOT NULL CHECK (op IN ('put', 'delete')),
    workspace TEXT NOT NULL,
    family TEXT NOT NULL,
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    line BLOB NOT NULL,
    crc INTEGER NOT NULL
);

-- API keys by the SHA-256 of the key; the key itself is shown once and not kept.
CREATE TABLE api_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,
    workspace TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    used_ms INTEGER,
    revoked_ms INTEGER
);
