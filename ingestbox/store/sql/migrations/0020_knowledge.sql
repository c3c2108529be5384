-- Knowledge: sources, what was taken in, articles with their passages and vectors. Times are Unix milliseconds.

-- Where articles come from. `total_content` counts what was taken in of each, `last_crawl_ms` is when the newest of it
-- was crawled. `settings` is JSON: what its maker said of it besides.
CREATE TABLE knowledge_sources (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    source_id TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    crawl_frequency TEXT NOT NULL,
    settings TEXT NOT NULL,
    total_content INTEGER NOT NULL DEFAULT 0,
    last_crawl_ms INTEGER,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
);
CREATE UNIQUE INDEX knowledge_sources_by_id ON knowledge_sources (workspace, source_id);

-- What was taken in: `id` is the record's. `hash` is the text's (enrich/duplicates.py): who has it first keeps it.
CREATE TABLE knowledge_contents (
    id INTEGER PRIMARY KEY,
    workspace TEXT NOT NULL,
    source_id TEXT NOT NULL,
    url TEXT NOT NULL,
    hash BLOB NOT NULL,
    taken_ms INTEGER NOT NULL
);
CREATE INDEX knowledge_contents_by_hash ON knowledge_contents (workspace, hash);
CREATE INDEX knowledge_contents_by_url ON knowledge_contents (workspace, url);
CREATE INDEX knowledge_contents_of_source ON knowledge_contents (workspace, source_id, id);

-- Intake that never became visible takes it along.
CREATE TRIGGER knowledge_contents_out AFTER DELETE ON jobs WHEN OLD.family = 'knowledge'
BEGIN
    DELETE FROM knowledge_contents WHERE id BETWEEN OLD.id << 24 AND (OLD.id << 24) + 16777215;
END;

-- Articles as they were found to be; what was sent lies in `records`, or for those of other boxes (`origin`) in
-- `record`. `crc` is the CRC-32 of result and, where it is here, record.
CREATE TABLE knowledge_articles (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    origin TEXT NOT NULL,
    object_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    source_id TEXT NOT NULL,
    url TEXT NOT NULL,
    title TEXT NOT NULL,
    language TEXT NOT NULL,
    updated_ms INTEGER NOT NULL,
    result BLOB NOT NULL,
    record BLOB,
    crc INTEGER NOT NULL
);
CREATE UNIQUE INDEX knowledge_articles_by_object ON knowledge_articles (object_id, origin, workspace);

-- Passages of articles, by which they are found. `id` is the number of the workspace (`workspaces`) << 40 | count, so
-- that all of a workspace are one range; `first` and `beyond` are places in the article's text, in code points.
CREATE TABLE knowledge_passages (
    id INTEGER PRIMARY KEY,
    article INTEGER NOT NULL,
    place INTEGER NOT NULL,
    first INTEGER NOT NULL,
    beyond INTEGER NOT NULL
);
CREATE UNIQUE INDEX knowledge_passages_of_article ON knowledge_passages (article, place);

CREATE TRIGGER knowledge_articles_out AFTER DELETE ON knowledge_articles
BEGIN
    DELETE FROM knowledge_passages WHERE article = OLD.id;
END;

-- What is put for one article, everything that follows from it included.
CREATE VIEW knowledge_puts AS
SELECT workspace, origin, object_id, version, record_id, job_id, source_id, url, title, language, updated_ms, result,
       record, crc
FROM knowledge_articles;

CREATE TRIGGER knowledge_put INSTEAD OF INSERT ON knowledge_puts
BEGIN
    INSERT INTO knowledge_articles (workspace, origin, object_id, version, record_id, job_id, source_id, url, title,
                                    language, updated_ms, result, record, crc)
    VALUES (NEW.workspace, NEW.origin, NEW.object_id, NEW.version, NEW.record_id, NEW.job_id, NEW.source_id, NEW.url,
            NEW.title, NEW.language, NEW.updated_ms, NEW.result, NEW.record, NEW.crc)
    ON CONFLICT (object_id, origin, workspace) DO UPDATE
    SET version = excluded.version, record_id = excluded.record_id, job_id = excluded.job_id,
        source_id = excluded.source_id, url = excluded.url, title = excluded.title, language = excluded.language,
        updated_ms = excluded.updated_ms, result = excluded.result, record = excluded.record, crc = excluded.crc;
END;
