-- Tickets get a number of their own: full text is found by it, and lists go by it.
-- Times are Unix milliseconds.

-- A workspace's number is the upper part of the ids of its tickets (number << 40 | count), so that all of a
-- workspace is one range of ids: full text knows no workspaces, but it knows ranges.
CREATE TABLE workspaces (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
);

INSERT INTO workspaces (name) SELECT DISTINCT workspace FROM tickets ORDER BY workspace;

ALTER TABLE tickets RENAME TO tickets_before;

-- The newest version of each, as analysed. Own tickets find their text in `records` (`record_id`); a ticket from
-- another box (`origin`) brings its record along. `crc` is the CRC-32 of result and, where it is here, record.
CREATE TABLE tickets (
    id INTEGER PRIMARY KEY,
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
    crc INTEGER NOT NULL
);
CREATE UNIQUE INDEX tickets_by_key ON tickets (workspace, ticket_id, origin);

INSERT INTO tickets (id, workspace, origin, ticket_id, version, record_id, job_id, summary, sentiment, score, trend,
                     language, updated_ms, result, record, crc)
SELECT (w.number << 40) + ROW_NUMBER() OVER (PARTITION BY t.workspace ORDER BY t.updated_ms, t.ticket_id, t.origin),
       t.workspace, t.origin, t.ticket_id, t.version, t.record_id, t.job_id, t.summary, t.sentiment, t.score,
       t.trend, t.language, t.updated_ms, t.result, t.record, t.crc
FROM tickets_before AS t JOIN workspaces AS w ON w.name = t.workspace;

DROP TABLE tickets_before;

-- What is put for one ticket, everything that follows from it included. A put is one statement, so that edge and
-- central box cannot forget a part of it.
CREATE VIEW ticket_puts AS
SELECT workspace, origin, ticket_id, version, record_id, job_id, summary, sentiment, score, trend, language,
       updated_ms, result, record, crc
FROM tickets;

CREATE TRIGGER ticket_put INSTEAD OF INSERT ON ticket_puts
BEGIN
    INSERT INTO workspaces (name) VALUES (NEW.workspace) ON CONFLICT (name) DO NOTHING;
    INSERT INTO tickets (id, workspace, origin, ticket_id, version, record_id, job_id, summary, sentiment, score,
                         trend, language, updated_ms, result, record, crc)
    SELECT COALESCE((SELECT MAX(t.id) FROM tickets AS t
                     WHERE t.id > w.number << 40 AND t.id < (w.number + 1) << 40), w.number << 40) + 1,
           NEW.workspace, NEW.origin, NEW.ticket_id, NEW.version, NEW.record_id, NEW.job_id, NEW.summary,
           NEW.sentiment, NEW.score, NEW.trend, NEW.language, NEW.updated_ms, NEW.result, NEW.record, NEW.crc
    FROM workspaces AS w WHERE w.name = NEW.workspace
    ON CONFLICT (workspace, ticket_id, origin) DO UPDATE
    SET version = excluded.version, record_id = excluded.record_id, job_id = excluded.job_id,
        summary = excluded.summary, sentiment = excluded.sentiment, score = excluded.score,
        trend = excluded.trend, language = excluded.language, updated_ms = excluded.updated_ms,
        result = excluded.result, record = excluded.record, crc = excluded.crc;
END;
