-- Tickets: the newest version of each, as analysed. Own tickets find their text in `records`
-- (`record_id`); a ticket from another box (`origin`) brings its record along. `crc` is the CRC-32 of result
-- and, where it is here, record.

CREATE TABLE tickets (
    workspace TEXT NOT NULL,
    origin TEXT NOT NULL,
    ticket_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    summary TEXT,
    sentiment TEXT,
    score REAL,
    trend TEXT,
    language TEXT,
    updated_ms INTEGER NOT NULL,
    result BLOB NOT NULL,
    record BLOB,
    crc INTEGER NOT NULL,
    PRIMARY KEY (workspace, ticket_id, origin)
);
