-- Knowledge: sources, what was taken in, articles with their passages and vectors. Times are Unix milliseconds.

-- Where articles come from. `total_content` counts what is kept of each, `last_crawl_ms` is when the newest of it
-- was crawled. `settings` is JSON: what its maker said of it besides. `every_ms` is what `crawl_frequency` comes to,
-- null if it says nothing. `heard_ms` is when something of it arrived last; silence counts from `since_ms`, which is
-- that, or when it was made or switched on again.
CREATE TABLE knowledge_sources (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    source_id TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    crawl_frequency TEXT NOT NULL,
    settings TEXT NOT NULL,
    every_ms INTEGER,
    total_content INTEGER NOT NULL DEFAULT 0,
    last_crawl_ms INTEGER,
    heard_ms INTEGER,
    since_ms INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
);
CREATE UNIQUE INDEX knowledge_sources_by_id ON knowledge_sources (workspace, source_id);
CREATE INDEX knowledge_sources_listed ON knowledge_sources (workspace, id);
CREATE INDEX knowledge_sources_by_status ON knowledge_sources (status);
CREATE INDEX knowledge_sources_by_silence ON knowledge_sources (since_ms + 2 * every_ms)
WHERE status = 'active' AND every_ms IS NOT NULL;

-- What was taken in: `id` is the record's. `hash` is the text's (enrich/duplicates.py): who has it first keeps it. What
-- was refused and waits for a person has none until it is corrected; `sent` is what it is known again by, then and later
-- (families/knowledge/keeping.py). `crawled_ms` is when the crawler says that it had it, null if it does not say.
-- `source_id` is empty where there is no such source. `done_ms` is when its result first came. `kept` is 0 of
-- what is not valid, for as long as nothing becomes of it, and of what was given up.
CREATE TABLE knowledge_contents (
    id INTEGER PRIMARY KEY,
    workspace TEXT NOT NULL,
    source_id TEXT NOT NULL,
    url TEXT NOT NULL,
    hash BLOB,
    sent BLOB,
    taken_ms INTEGER NOT NULL,
    crawled_ms INTEGER,
    done_ms INTEGER,
    kept INTEGER NOT NULL
);
CREATE INDEX knowledge_contents_by_hash ON knowledge_contents (workspace, hash);
CREATE INDEX knowledge_contents_by_sent ON knowledge_contents (workspace, sent) WHERE sent IS NOT NULL;
CREATE INDEX knowledge_contents_by_url ON knowledge_contents (workspace, url);
CREATE INDEX knowledge_contents_of_source ON knowledge_contents (workspace, source_id, taken_ms, id);
CREATE INDEX knowledge_contents_by_time ON knowledge_contents (workspace, taken_ms, id);

-- Batches by the names that their senders gave them, and what came in each. A chunk of a batch (`<name>_chunk_<digits>`)
-- has the batch's name as its `parent`, every other one its own. Content that comes again in another batch is in both.
CREATE TABLE knowledge_batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    parent TEXT NOT NULL,
    taken_ms INTEGER NOT NULL
);
CREATE UNIQUE INDEX knowledge_batches_by_name ON knowledge_batches (workspace, name);
CREATE INDEX knowledge_batches_by_parent ON knowledge_batches (workspace, parent);

CREATE TABLE knowledge_members (
    batch INTEGER NOT NULL,
    content INTEGER NOT NULL,
    PRIMARY KEY (batch, content)
) WITHOUT ROWID;
CREATE INDEX knowledge_members_by_content ON knowledge_members (content);

CREATE TRIGGER knowledge_members_out AFTER DELETE ON knowledge_contents
BEGIN
    DELETE FROM knowledge_members WHERE content = OLD.id;
END;

-- Sources: what is kept of each.
CREATE TRIGGER knowledge_contents_counted AFTER INSERT ON knowledge_contents
BEGIN
    UPDATE knowledge_sources
    SET total_content = total_content + NEW.kept,
        last_crawl_ms = MAX(COALESCE(last_crawl_ms, 0), MIN(COALESCE(NEW.crawled_ms, NEW.taken_ms), NEW.taken_ms)),
        heard_ms = NEW.taken_ms,
        since_ms = NEW.taken_ms
    WHERE workspace = NEW.workspace AND source_id = NEW.source_id;
END;

CREATE TRIGGER knowledge_contents_moved AFTER UPDATE OF source_id, kept ON knowledge_contents
WHEN OLD.source_id <> NEW.source_id OR OLD.kept <> NEW.kept
BEGIN
    INSERT INTO knowledge_sources (workspace, source_id, name, type, status, crawl_frequency, settings, since_ms,
                                   created_ms, updated_ms)
    SELECT NEW.workspace, NEW.source_id, NEW.source_id, 'unknown', 'unconfigured', 'unknown', '{}', NEW.taken_ms,
           NEW.taken_ms, NEW.taken_ms
    WHERE NEW.source_id <> '' AND NEW.kept
    ON CONFLICT (workspace, source_id) DO NOTHING;
    UPDATE knowledge_sources SET total_content = total_content - OLD.kept
    WHERE workspace = OLD.workspace AND source_id = OLD.source_id;
    UPDATE knowledge_sources SET total_content = total_content + NEW.kept
    WHERE workspace = NEW.workspace AND source_id = NEW.source_id;
END;

CREATE TRIGGER knowledge_contents_uncounted AFTER DELETE ON knowledge_contents
BEGIN
    UPDATE knowledge_sources SET total_content = total_content - OLD.kept
    WHERE workspace = OLD.workspace AND source_id = OLD.source_id;
END;

-- What is given up is not kept.
CREATE TRIGGER knowledge_contents_given_up AFTER UPDATE OF state ON records
WHEN NEW.state = 'discarded' AND OLD.state <> 'discarded'
BEGIN
    UPDATE knowledge_contents SET kept = 0 WHERE id = NEW.id AND kept = 1;
END;

-- Intake that never became visible takes it along, slice by slice as its records go, and at last its batch.
CREATE TRIGGER knowledge_contents_out AFTER DELETE ON records
BEGIN
    DELETE FROM knowledge_contents WHERE id = OLD.id;
END;

CREATE TRIGGER knowledge_batches_out AFTER DELETE ON jobs WHEN OLD.family = 'knowledge'
BEGIN
    DELETE FROM knowledge_batches
    WHERE workspace = OLD.workspace AND name = OLD.name
      AND NOT EXISTS (SELECT 1 FROM knowledge_members WHERE batch = knowledge_batches.id);
END;

-- What is held: `held` is 1 for an issue whose record became an object that is not told upstream, `accepted` while a
-- person's word counts that it be: until the record's content is another one.
ALTER TABLE issues ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE issues ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;
CREATE INDEX issues_held ON issues (job_id) WHERE held = 1 AND resolved_ms IS NULL;

-- Articles as they were found to be; what was sent lies in `records`, or for those of other boxes (`origin`) in
-- `record`. `crc` is the CRC-32 of result and, where it is here, record. `labels` are those of the item's metadata
-- (families/knowledge/searching/labels.py).
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
    type TEXT NOT NULL,
    quality REAL,
    published_ms INTEGER,
    labels TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    crawled_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    result BLOB NOT NULL,
    record BLOB,
    crc INTEGER NOT NULL
);
CREATE UNIQUE INDEX knowledge_articles_by_object ON knowledge_articles (object_id, origin, workspace);
-- Lists are narrowed by it alone, so that a page reads no texts but those of its own rows.
CREATE INDEX knowledge_articles_listed
ON knowledge_articles (workspace, id, source_id, type, language, quality, published_ms, origin, record_id, url,
                       labels);

CREATE TRIGGER knowledge_contents_done AFTER INSERT ON knowledge_articles WHEN NEW.origin = ''
BEGIN
    UPDATE knowledge_contents SET done_ms = COALESCE(done_ms, NEW.updated_ms) WHERE id = NEW.record_id;
END;

-- Passages and vectors. A passage's `id` is the number of the workspace (`workspaces`) << 40 | count, so that all of a
-- workspace are one range; `first` and `beyond` are places in the article's text, in code points. An article that is
-- put again has new ones: those of its present `edition` (`knowledge_indexed`) count.
CREATE TABLE knowledge_passages (
    id INTEGER PRIMARY KEY,
    article INTEGER NOT NULL,
    edition INTEGER NOT NULL,
    place INTEGER NOT NULL,
    first INTEGER NOT NULL,
    beyond INTEGER NOT NULL
);
CREATE UNIQUE INDEX knowledge_passages_of_article ON knowledge_passages (article, edition, place);

-- How far each article is: `passages` is how many it has in all, and `model` the one that all of them have vectors of
-- (0: of none, so that it is not found by all that it says).
CREATE TABLE knowledge_indexed (
    article INTEGER PRIMARY KEY,
    edition INTEGER NOT NULL,
    passages INTEGER NOT NULL,
    model INTEGER NOT NULL
);
CREATE INDEX knowledge_indexed_by_model ON knowledge_indexed (model, article);

-- Editions whose last passages are removed little by little.
CREATE TABLE knowledge_leaving (
    article INTEGER NOT NULL,
    edition INTEGER NOT NULL,
    PRIMARY KEY (article, edition)
) WITHOUT ROWID;

-- What vectors are made by. The one that is `serving` is searched; the one that is `building` takes its place when
-- every passage has a vector of it; of those that are `leaving` the vectors are removed.
CREATE TABLE knowledge_models (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    dimension INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('serving', 'building', 'leaving'))
);
CREATE UNIQUE INDEX knowledge_models_in_use ON knowledge_models (state) WHERE state <> 'leaving';

-- Vectors (float32, little endian, of length one), and their signs (enrich/embedding/vector.py) in a table so small
-- that all of it can be read for one search.
CREATE TABLE knowledge_vectors (
    id INTEGER PRIMARY KEY,
    numbers BLOB NOT NULL
);
CREATE TABLE knowledge_signs (
    model INTEGER NOT NULL,
    passage INTEGER NOT NULL,
    vector INTEGER NOT NULL,
    bits BLOB NOT NULL,
    PRIMARY KEY (model, passage)
) WITHOUT ROWID;

CREATE TRIGGER knowledge_signs_out AFTER DELETE ON knowledge_signs
BEGIN
    DELETE FROM knowledge_vectors WHERE id = OLD.vector;
END;

CREATE TRIGGER knowledge_passages_out AFTER DELETE ON knowledge_passages
BEGIN
    DELETE FROM knowledge_signs WHERE model IN (SELECT id FROM knowledge_models) AND passage = OLD.id;
END;

-- A vector that is there already stays.
CREATE VIEW knowledge_embedded AS
SELECT s.model, s.passage, s.bits, v.numbers FROM knowledge_signs AS s JOIN knowledge_vectors AS v ON v.id = s.vector;

CREATE TRIGGER knowledge_embed INSTEAD OF INSERT ON knowledge_embedded
WHEN NOT EXISTS (SELECT 1 FROM knowledge_signs WHERE model = NEW.model AND passage = NEW.passage)
BEGIN
    INSERT INTO knowledge_vectors (numbers) VALUES (NEW.numbers);
    INSERT INTO knowledge_signs (model, passage, vector, bits)
    VALUES (NEW.model, NEW.passage, last_insert_rowid(), NEW.bits);
END;

-- The first passages of an edition go with it, the others in the background.
CREATE TRIGGER knowledge_indexed_out AFTER DELETE ON knowledge_indexed
BEGIN
    DELETE FROM knowledge_passages WHERE article = OLD.article AND edition = OLD.edition AND place < 60;
    INSERT INTO knowledge_leaving (article, edition) SELECT OLD.article, OLD.edition WHERE OLD.passages > 60;
END;

CREATE TRIGGER knowledge_edition_out AFTER UPDATE OF edition ON knowledge_indexed
BEGIN
    DELETE FROM knowledge_passages WHERE article = OLD.article AND edition = OLD.edition AND place < 60;
    INSERT INTO knowledge_leaving (article, edition) SELECT OLD.article, OLD.edition WHERE OLD.passages > 60;
END;

CREATE TRIGGER knowledge_articles_out AFTER DELETE ON knowledge_articles
BEGIN
    DELETE FROM knowledge_indexed WHERE article = OLD.id;
END;

-- Words: full text of the passages, by their ids. They come cut (families/knowledge/searching/words.py): those of the
-- article's title and of the passage without diacritics, and in `exact` both as they are written, where that differs.
-- Small pages: merging goes by pages, and one write does less of it at a time.
CREATE VIRTUAL TABLE knowledge_words USING fts5 (
    title, body, exact, content = '', contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* P* S* Co Cn'"
);
INSERT INTO knowledge_words (knowledge_words, rank) VALUES ('pgsz', 1000), ('automerge', 8);

-- Which words there are, and in how many passages.
CREATE VIRTUAL TABLE knowledge_terms USING fts5vocab (knowledge_words, row);

CREATE TRIGGER knowledge_words_out AFTER DELETE ON knowledge_passages
BEGIN
    DELETE FROM knowledge_words WHERE rowid = OLD.id;
END;

-- Near-duplicates. Of an article's `fingerprint` (enrich/fingerprint.py; empty where there is none) ten bands are kept,
-- of three bytes behind the first: articles that are alike share one. `crawled_ms` is when the crawler had it, 0 if it
-- does not say.
CREATE TABLE knowledge_bands (
    workspace INTEGER NOT NULL,
    number INTEGER NOT NULL,
    value BLOB NOT NULL,
    article INTEGER NOT NULL,
    PRIMARY KEY (workspace, number, value, article)
) WITHOUT ROWID;

-- Which of the articles of one address is the newest: a crawler's clock may be ahead.
CREATE INDEX knowledge_articles_by_url ON knowledge_articles (workspace, url, MIN(crawled_ms, updated_ms), id);

CREATE VIEW knowledge_banded AS
SELECT a.id AS article, w.number AS workspace, j.value AS number, unhex(substr(a.fingerprint, 3 + 6 * j.value, 6)) AS value
FROM knowledge_articles AS a CROSS JOIN workspaces AS w ON w.name = a.workspace
CROSS JOIN json_each('[0,1,2,3,4,5,6,7,8,9]') AS j
WHERE length(a.fingerprint) = 130;

CREATE TRIGGER knowledge_bands_in AFTER INSERT ON knowledge_articles
BEGIN
    INSERT INTO knowledge_bands (workspace, number, value, article)
    SELECT workspace, number, value, article FROM knowledge_banded WHERE article = NEW.id AND value IS NOT NULL;
END;

CREATE TRIGGER knowledge_bands_leave BEFORE UPDATE OF fingerprint ON knowledge_articles
WHEN OLD.fingerprint <> NEW.fingerprint
BEGIN
    DELETE FROM knowledge_bands WHERE (workspace, number, value, article) IN
        (SELECT workspace, number, value, article FROM knowledge_banded WHERE article = OLD.id);
END;

CREATE TRIGGER knowledge_bands_change AFTER UPDATE OF fingerprint ON knowledge_articles
WHEN OLD.fingerprint <> NEW.fingerprint
BEGIN
    INSERT INTO knowledge_bands (workspace, number, value, article)
    SELECT workspace, number, value, article FROM knowledge_banded WHERE article = NEW.id AND value IS NOT NULL;
END;

CREATE TRIGGER knowledge_bands_out BEFORE DELETE ON knowledge_articles
BEGIN
    DELETE FROM knowledge_bands WHERE (workspace, number, value, article) IN
        (SELECT workspace, number, value, article FROM knowledge_banded WHERE article = OLD.id);
END;

-- What is put for one article, everything that follows from it included.
CREATE VIEW knowledge_puts AS
SELECT workspace, origin, object_id, version, record_id, job_id, source_id, url, title, language, type, quality,
       published_ms, labels, fingerprint, crawled_ms, updated_ms, result, record, crc,
       NULL AS text_hash, NULL AS passages, 0 AS passage_count, NULL AS model, NULL AS dimension, NULL AS signs, NULL AS vectors
FROM knowledge_articles;

CREATE TRIGGER knowledge_put INSTEAD OF INSERT ON knowledge_puts
BEGIN
    INSERT INTO workspaces (name) SELECT NEW.workspace
    WHERE NOT EXISTS (SELECT 1 FROM workspaces WHERE name = NEW.workspace);

    INSERT INTO knowledge_articles (workspace, origin, object_id, version, record_id, job_id, source_id, url, title,
                                    language, type, quality, published_ms, labels, fingerprint, crawled_ms, updated_ms,
                                    result, record, crc)
    VALUES (NEW.workspace, NEW.origin, NEW.object_id, NEW.version, NEW.record_id, NEW.job_id, NEW.source_id, NEW.url,
            NEW.title, NEW.language, NEW.type, NEW.quality, NEW.published_ms, NEW.labels,
            COALESCE(NEW.fingerprint, ''), COALESCE(NEW.crawled_ms, 0), NEW.updated_ms, NEW.result, NEW.record, NEW.crc)
    ON CONFLICT (object_id, origin, workspace) DO UPDATE
    SET version = excluded.version, record_id = excluded.record_id, job_id = excluded.job_id,
        source_id = excluded.source_id, url = excluded.url, title = excluded.title, language = excluded.language,
        type = excluded.type, quality = excluded.quality, published_ms = excluded.published_ms,
        labels = excluded.labels, fingerprint = excluded.fingerprint, crawled_ms = excluded.crawled_ms,
        updated_ms = excluded.updated_ms, result = excluded.result,
        record = excluded.record, crc = excluded.crc;

    -- What was taken in follows a record that a person corrected; the text's hash does so when it is (`put_same`). What
    -- is of no source, and is tried again, has its hash from now on.
    UPDATE knowledge_contents SET source_id = NEW.source_id, url = NEW.url, kept = 1
    WHERE id = NEW.record_id AND NEW.origin = '' AND (source_id, url, kept) IS NOT (NEW.source_id, NEW.url, 1);
    UPDATE knowledge_contents SET hash = unhex(NEW.text_hash)
    WHERE id = NEW.record_id AND NEW.origin = '' AND hash IS NULL AND NEW.text_hash IS NOT NULL;

    -- Passages and vectors. `passages` is JSON, the first 60 of `passage_count`: [[first, beyond, title, body, exact],
    -- ...], the last three being their words; `signs` and `vectors` are theirs in one, if they have any.
    INSERT INTO knowledge_indexed (article, edition, passages, model)
    SELECT a.id, 1, NEW.passage_count, 0 FROM knowledge_articles AS a
    WHERE a.object_id = NEW.object_id AND a.origin = NEW.origin AND a.workspace = NEW.workspace
    ON CONFLICT (article) DO UPDATE SET edition = edition + 1, passages = excluded.passages, model = 0;

    INSERT INTO knowledge_passages (id, article, edition, place, first, beyond)
    SELECT COALESCE((SELECT MAX(p.id) FROM knowledge_passages AS p
                     WHERE p.id > w.number << 40 AND p.id < (w.number + 1) << 40), w.number << 40) + 1 + j.key,
           i.article, i.edition, j.key, j.value ->> 0, j.value ->> 1
    FROM knowledge_articles AS a CROSS JOIN knowledge_indexed AS i ON i.article = a.id
    CROSS JOIN workspaces AS w ON w.name = NEW.workspace CROSS JOIN json_each(NEW.passages) AS j
    WHERE a.object_id = NEW.object_id AND a.origin = NEW.origin AND a.workspace = NEW.workspace;

    INSERT INTO knowledge_words (rowid, title, body, exact)
    SELECT p.id, j.value ->> 2, j.value ->> 3, j.value ->> 4
    FROM knowledge_articles AS a CROSS JOIN knowledge_indexed AS i ON i.article = a.id
    CROSS JOIN json_each(NEW.passages) AS j
    CROSS JOIN knowledge_passages AS p ON p.article = i.article AND p.edition = i.edition AND p.place = j.key
    WHERE a.object_id = NEW.object_id AND a.origin = NEW.origin AND a.workspace = NEW.workspace;

    INSERT INTO knowledge_models (name, dimension, state)
    SELECT NEW.model, NEW.dimension, 'serving'
    WHERE NEW.vectors IS NOT NULL AND NOT EXISTS (SELECT 1 FROM knowledge_models WHERE state = 'serving');

    INSERT INTO knowledge_embedded (model, passage, bits, numbers)
    SELECT m.id, p.id,
           substr(NEW.signs, p.place * (length(NEW.signs) * 4 * m.dimension / length(NEW.vectors)) + 1,
                  length(NEW.signs) * 4 * m.dimension / length(NEW.vectors)),
           substr(NEW.vectors, p.place * 4 * m.dimension + 1, 4 * m.dimension)
    FROM knowledge_models AS m CROSS JOIN knowledge_articles AS a
    CROSS JOIN knowledge_indexed AS i ON i.article = a.id
    CROSS JOIN knowledge_passages AS p ON p.article = i.article AND p.edition = i.edition
    WHERE a.object_id = NEW.object_id AND a.origin = NEW.origin AND a.workspace = NEW.workspace
      AND m.name = NEW.model AND m.dimension = NEW.dimension AND m.state <> 'leaving'
      AND (p.place + 1) * 4 * m.dimension <= length(NEW.vectors);

    UPDATE knowledge_indexed SET model = m.id
    FROM knowledge_articles AS a, knowledge_models AS m
    WHERE a.object_id = NEW.object_id AND a.origin = NEW.origin AND a.workspace = NEW.workspace
      AND article = a.id AND m.name = NEW.model AND m.dimension = NEW.dimension AND m.state = 'serving'
      AND length(NEW.vectors) = passages * 4 * m.dimension;
END;
