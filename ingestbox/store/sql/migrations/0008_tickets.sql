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
-- `language` is empty where it is not known. `day` counts days (UTC) from 1970-01-01, also before it; `points` are
-- ten-thousandths of the score, whole, so that sums of them stay exact. `indexed` is 0 for a ticket from before there
-- were entities and full text: it is put once more, in the background.
CREATE TABLE tickets (
    id INTEGER PRIMARY KEY,
    workspace TEXT NOT NULL,
    origin TEXT NOT NULL,
    ticket_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    summary TEXT,
    sentiment TEXT NOT NULL,
    score REAL NOT NULL,
    trend TEXT NOT NULL,
    language TEXT NOT NULL,
    updated_ms INTEGER NOT NULL,
    result BLOB NOT NULL,
    record BLOB,
    crc INTEGER NOT NULL,
    indexed INTEGER NOT NULL DEFAULT 0,
    day INTEGER GENERATED ALWAYS AS
        ((updated_ms - (updated_ms % 86400000 + 86400000) % 86400000) / 86400000) VIRTUAL,
    points INTEGER GENERATED ALWAYS AS (CAST(ROUND(score * 10000) AS INTEGER)) VIRTUAL
);
CREATE UNIQUE INDEX tickets_by_key ON tickets (workspace, ticket_id, origin);
CREATE INDEX tickets_newest ON tickets (workspace, updated_ms);
CREATE INDEX tickets_listed ON tickets (workspace, sentiment, language, updated_ms);
CREATE INDEX tickets_not_indexed ON tickets (id) WHERE indexed = 0;

-- What came from other boxes was looked at less closely before: what is no sentiment, score or trend becomes that
-- of a ticket that says nothing.
INSERT INTO tickets (id, workspace, origin, ticket_id, version, record_id, job_id, summary, sentiment, score, trend,
                     language, updated_ms, result, record, crc)
SELECT (w.number << 40) + ROW_NUMBER() OVER (PARTITION BY t.workspace ORDER BY t.updated_ms, t.ticket_id, t.origin),
       t.workspace, t.origin, t.ticket_id, t.version, t.record_id, t.job_id, t.summary,
       CASE WHEN t.sentiment IN ('positive', 'negative', 'neutral') THEN t.sentiment ELSE 'neutral' END,
       CASE WHEN typeof(t.score) IN ('real', 'integer') THEN MAX(-1.0, MIN(1.0, t.score)) ELSE 0.0 END,
       CASE WHEN t.trend IN ('improving', 'declining', 'stable') THEN t.trend ELSE 'stable' END,
       '', t.updated_ms, t.result, t.record, t.crc
FROM tickets_before AS t JOIN workspaces AS w ON w.name = t.workspace;

DROP TABLE tickets_before;

-- How many tickets there are, by day and in all, with the sum of their points. The triggers keep both exact in every
-- transaction, whichever statement changes a ticket; a row that came to 0 stays.
CREATE TABLE ticket_days (
    workspace TEXT NOT NULL,
    day INTEGER NOT NULL,
    sentiment TEXT NOT NULL,
    language TEXT NOT NULL,
    tickets INTEGER NOT NULL,
    points INTEGER NOT NULL,
    PRIMARY KEY (workspace, day, sentiment, language)
) WITHOUT ROWID;

INSERT INTO ticket_days (workspace, day, sentiment, language, tickets, points)
SELECT workspace, day, sentiment, language, COUNT(*), SUM(points) FROM tickets
GROUP BY workspace, day, sentiment, language;

CREATE TABLE ticket_totals (
    workspace TEXT NOT NULL,
    sentiment TEXT NOT NULL,
    language TEXT NOT NULL,
    tickets INTEGER NOT NULL,
    PRIMARY KEY (workspace, sentiment, language)
) WITHOUT ROWID;

INSERT INTO ticket_totals (workspace, sentiment, language, tickets)
SELECT workspace, sentiment, language, SUM(tickets) FROM ticket_days GROUP BY workspace, sentiment, language;

CREATE TRIGGER tickets_tallied_in AFTER INSERT ON tickets
BEGIN
    INSERT INTO ticket_days (workspace, day, sentiment, language, tickets, points)
    VALUES (NEW.workspace, NEW.day, NEW.sentiment, NEW.language, 1, NEW.points)
    ON CONFLICT (workspace, day, sentiment, language) DO UPDATE
    SET tickets = tickets + 1, points = points + excluded.points;
    INSERT INTO ticket_totals (workspace, sentiment, language, tickets)
    VALUES (NEW.workspace, NEW.sentiment, NEW.language, 1)
    ON CONFLICT (workspace, sentiment, language) DO UPDATE SET tickets = tickets + 1;
END;

CREATE TRIGGER tickets_tallied_out AFTER DELETE ON tickets
BEGIN
    UPDATE ticket_days SET tickets = tickets - 1, points = points - OLD.points
    WHERE workspace = OLD.workspace AND day = OLD.day AND sentiment = OLD.sentiment AND language = OLD.language;
    UPDATE ticket_totals SET tickets = tickets - 1
    WHERE workspace = OLD.workspace AND sentiment = OLD.sentiment AND language = OLD.language;
    DELETE FROM ticket_entities WHERE ticket = OLD.id;
END;

CREATE TRIGGER tickets_tallied_over AFTER UPDATE OF sentiment, language, score, updated_ms ON tickets
BEGIN
    UPDATE ticket_days SET tickets = tickets - 1, points = points - OLD.points
    WHERE workspace = OLD.workspace AND day = OLD.day AND sentiment = OLD.sentiment AND language = OLD.language;
    INSERT INTO ticket_days (workspace, day, sentiment, language, tickets, points)
    VALUES (NEW.workspace, NEW.day, NEW.sentiment, NEW.language, 1, NEW.points)
    ON CONFLICT (workspace, day, sentiment, language) DO UPDATE
    SET tickets = tickets + 1, points = points + excluded.points;
    UPDATE ticket_totals SET tickets = tickets - 1
    WHERE workspace = OLD.workspace AND sentiment = OLD.sentiment AND language = OLD.language;
    INSERT INTO ticket_totals (workspace, sentiment, language, tickets)
    VALUES (NEW.workspace, NEW.sentiment, NEW.language, 1)
    ON CONFLICT (workspace, sentiment, language) DO UPDATE SET tickets = tickets + 1;
END;

-- What tickets name, and in how many. `key` is the label, a blank and the folded text ("LOCATION ha noi"); `text` is
-- the spelling with the most marks ("Hà Nội" before "Ha Noi"), of equals the first. One that no ticket names any more
-- goes.
CREATE TABLE entities (
    id INTEGER PRIMARY KEY,
    workspace TEXT NOT NULL,
    key TEXT NOT NULL,
    text TEXT NOT NULL,
    tickets INTEGER NOT NULL,
    label TEXT GENERATED ALWAYS AS (SUBSTR(key, 1, INSTR(key, ' ') - 1)) VIRTUAL
);
CREATE UNIQUE INDEX entities_by_key ON entities (workspace, key);
CREATE INDEX entities_top ON entities (workspace, label, tickets DESC);

-- Which ticket names which, once each. `sentiment`, `language` and `updated_ms` are the ticket's: those naming an
-- entity are listed like all tickets.
CREATE TABLE ticket_entities (
    entity INTEGER NOT NULL,
    sentiment TEXT NOT NULL,
    language TEXT NOT NULL,
    updated_ms INTEGER NOT NULL,
    ticket INTEGER NOT NULL,
    PRIMARY KEY (entity, sentiment, language, updated_ms, ticket)
) WITHOUT ROWID;
CREATE INDEX ticket_entities_by_ticket ON ticket_entities (ticket);

CREATE TRIGGER ticket_entities_out AFTER DELETE ON ticket_entities
BEGIN
    DELETE FROM entities WHERE id = OLD.entity AND tickets = 1;
    UPDATE entities SET tickets = tickets - 1 WHERE id = OLD.entity;
END;

-- Full text: the words of each ticket, by its id. They come cut (see enrich/searched.py), as written and, with a `~`
-- before them, folded; facets such as `:negative` are among those of the title. So blanks are all that separates, and
-- everything else is part of a word. Small pages: merging goes by pages, and one write does less of it at a time.
CREATE VIRTUAL TABLE ticket_words USING fts5 (
    title, body, content = '', contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* P* S* Co Cn'"
);
INSERT INTO ticket_words (ticket_words, rank) VALUES ('pgsz', 1000), ('automerge', 8);

CREATE VIRTUAL TABLE ticket_terms USING fts5vocab (ticket_words, instance);

CREATE TRIGGER tickets_words_out AFTER DELETE ON tickets
BEGIN
    DELETE FROM ticket_words WHERE rowid = OLD.id;
END;

-- What is put for one ticket, everything that follows from it included. A put is one statement, so that edge and
-- central box cannot forget a part of it. `entities` is a JSON object from keys to texts (see the
-- table), from which SQLite takes both faster than out of lists.
CREATE VIEW ticket_puts AS
SELECT workspace, origin, ticket_id, version, record_id, job_id, summary, sentiment, score, trend, language,
       updated_ms, result, record, crc, '{}' AS entities, '' AS title, '' AS body
FROM tickets;

CREATE TRIGGER ticket_put INSTEAD OF INSERT ON ticket_puts
BEGIN
    INSERT INTO workspaces (name) SELECT NEW.workspace
    WHERE NOT EXISTS (SELECT 1 FROM workspaces WHERE name = NEW.workspace);

    DELETE FROM ticket_entities
    WHERE ticket = (SELECT t.id FROM tickets AS t
                    WHERE t.workspace = NEW.workspace AND t.ticket_id = NEW.ticket_id AND t.origin = NEW.origin);

    INSERT INTO tickets (id, workspace, origin, ticket_id, version, record_id, job_id, summary, sentiment, score,
                         trend, language, updated_ms, result, record, crc, indexed)
    SELECT COALESCE((SELECT MAX(t.id) FROM tickets AS t
                     WHERE t.id > w.number << 40 AND t.id < (w.number + 1) << 40), w.number << 40) + 1,
           NEW.workspace, NEW.origin, NEW.ticket_id, NEW.version, NEW.record_id, NEW.job_id, NEW.summary,
           NEW.sentiment, NEW.score, NEW.trend, COALESCE(NEW.language, ''), NEW.updated_ms, NEW.result, NEW.record,
           NEW.crc, 1
    FROM workspaces AS w WHERE w.name = NEW.workspace
    ON CONFLICT (workspace, ticket_id, origin) DO UPDATE
    SET version = excluded.version, record_id = excluded.record_id, job_id = excluded.job_id,
        summary = excluded.summary, sentiment = excluded.sentiment, score = excluded.score,
        trend = excluded.trend, language = excluded.language, updated_ms = excluded.updated_ms,
        result = excluded.result, record = excluded.record, crc = excluded.crc, indexed = excluded.indexed;

    INSERT OR REPLACE INTO ticket_words (rowid, title, body)
    SELECT t.id, NEW.title, NEW.body FROM tickets AS t
    WHERE t.workspace = NEW.workspace AND t.ticket_id = NEW.ticket_id AND t.origin = NEW.origin;

    INSERT INTO entities (workspace, key, text, tickets)
    SELECT NEW.workspace, e.key, e.value, 1 FROM json_each(NEW.entities) AS e WHERE true
    ON CONFLICT (workspace, key) DO UPDATE
    SET tickets = tickets + 1,
        text = CASE WHEN LENGTH(CAST(excluded.text AS BLOB)) > LENGTH(CAST(text AS BLOB))
               THEN excluded.text ELSE text END;

    INSERT INTO ticket_entities (entity, sentiment, language, updated_ms, ticket)
    SELECT n.id, t.sentiment, t.language, t.updated_ms, t.id
    FROM tickets AS t CROSS JOIN json_each(NEW.entities) AS e CROSS JOIN entities AS n
    WHERE t.workspace = NEW.workspace AND t.ticket_id = NEW.ticket_id AND t.origin = NEW.origin
      AND n.workspace = NEW.workspace AND n.key = e.key;
END;
