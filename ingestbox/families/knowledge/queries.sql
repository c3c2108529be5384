-- Intake (keeping.py): what is kept of each article in the transaction that stores it.

-- name: keep
-- What is not valid has no hash.
INSERT INTO knowledge_contents (id, workspace, source_id, url, hash, sent, taken_ms, crawled_ms, kept)
VALUES (:id, :workspace, :source_id, :url, :hash, :sent, :now, :crawled_ms, :hash IS NOT NULL);

-- name: holder
-- Who has a text; `state` is its job's. What went with a job that was cancelled is to be sent again: it has none.
SELECT c.id, c.url, c.taken_ms, j.state
FROM knowledge_contents AS c LEFT JOIN jobs AS j ON j.id = c.id >> 24
WHERE c.workspace = :workspace AND c.hash = :hash
  AND NOT (j.state IS 'cancelled' AND (SELECT state FROM records WHERE id = c.id) IS 'discarded')
ORDER BY c.id
LIMIT 1;

-- name: holder_of_sent
-- The same of what was not valid when it came, whatever a person made of it; and its record's state, as long as nothing
-- became of it.
SELECT c.id, c.url, c.taken_ms, j.state, CASE WHEN c.hash IS NULL THEN r.state END
FROM knowledge_contents AS c INDEXED BY knowledge_contents_by_sent
LEFT JOIN jobs AS j ON j.id = c.id >> 24
LEFT JOIN records AS r ON r.id = c.id
WHERE c.workspace = :workspace AND c.sent = :sent AND NOT (j.state IS 'cancelled' AND r.state IS 'discarded')
ORDER BY c.id
LIMIT 1;

-- name: has_same
-- What the record became that has a text, if it is another one than this, and not given up.
SELECT 'km_content_' || o.id
FROM knowledge_contents AS c
CROSS JOIN knowledge_contents AS o ON o.workspace = c.workspace AND o.hash = :same AND o.id <> c.id
CROSS JOIN records AS r ON r.id = o.id
WHERE c.id = :id AND r.state NOT IN ('discarded', 'superseded')
ORDER BY o.id
LIMIT 1;

-- name: put_same
-- A person has put another text in its place: who sends that has it from now on.
UPDATE knowledge_contents SET hash = :same WHERE id = :id;

-- name: register_source
INSERT INTO knowledge_sources (workspace, source_id, name, type, status, crawl_frequency, settings, since_ms,
                               created_ms, updated_ms)
VALUES (:workspace, :source_id, :source_id, 'unknown', 'unconfigured', 'unknown', '{}', :now, :now, :now)
ON CONFLICT (workspace, source_id) DO NOTHING;

-- name: has_source
SELECT 1 FROM knowledge_sources WHERE workspace = :workspace AND source_id = :source_id;

-- name: begin_batch
-- A name that is there already changes nothing, and gives its row all the same.
INSERT INTO knowledge_batches (workspace, name, parent, taken_ms)
VALUES (:workspace, :name, :parent, :now)
ON CONFLICT (workspace, name) DO UPDATE SET parent = excluded.parent
RETURNING id;

-- name: join_batch
-- Content that is not there any more joins nothing.
INSERT INTO knowledge_members (batch, content)
SELECT :batch, id FROM knowledge_contents WHERE id = :content
ON CONFLICT DO NOTHING;

-- name: waits
-- Whether content waits for a person, and nothing became of it.
SELECT 1 FROM knowledge_contents AS c CROSS JOIN records AS r ON r.id = c.id
WHERE c.id = :content AND c.hash IS NULL AND r.state = 'issue';

-- name: join_batches
-- Content comes into every batch that another one is in.
INSERT INTO knowledge_members (batch, content)
SELECT m.batch, c.id FROM knowledge_members AS m CROSS JOIN knowledge_contents AS c ON c.id = :content
WHERE m.content = :other
ON CONFLICT DO NOTHING;

-- name: leave_batches
DELETE FROM knowledge_members WHERE content = :content;

-- Status (status.py): each list gives contents after a place, oldest first for a batch, newest first otherwise.

-- name: has_batch
SELECT 1 FROM knowledge_batches WHERE workspace = :workspace AND (name = :batch OR parent = :batch) LIMIT 1;

-- name: status_of_batch
SELECT c.id, c.taken_ms, c.done_ms, r.state, j.state, a.id, a.quality,
       CASE WHEN r.state IN ('issue', 'discarded', 'superseded') THEN (
           SELECT json_array(CASE r.state WHEN 'superseded' THEN i.comment ELSE i.message END, i.held)
           FROM issue_records AS l CROSS JOIN issues AS i ON i.id = l.issue_id
           WHERE l.record_id = c.id
           ORDER BY l.issue_id DESC
           LIMIT 1) END
FROM (
    SELECT DISTINCT m.content AS found
    FROM knowledge_batches AS b CROSS JOIN knowledge_members AS m ON m.batch = b.id
    WHERE b.workspace = :workspace AND (b.name = :batch OR b.parent = :batch) AND m.content > :after
    ORDER BY m.content
)
CROSS JOIN knowledge_contents AS c ON c.id = found
CROSS JOIN records AS r ON r.id = c.id
CROSS JOIN jobs AS j ON j.id = c.id >> 24
LEFT JOIN knowledge_articles AS a
  ON a.object_id = 'km_content_' || c.id AND a.origin = '' AND a.workspace = c.workspace
WHERE j.state <> 'receiving' AND c.taken_ms >= :since AND (:source IS NULL OR c.source_id = :source)
ORDER BY c.id
LIMIT :limit;

-- name: status_of_source
SELECT c.id, c.taken_ms, c.done_ms, r.state, j.state, a.id, a.quality,
       CASE WHEN r.state IN ('issue', 'discarded', 'superseded') THEN (
           SELECT json_array(CASE r.state WHEN 'superseded' THEN i.comment ELSE i.message END, i.held)
           FROM issue_records AS l CROSS JOIN issues AS i ON i.id = l.issue_id
           WHERE l.record_id = c.id
           ORDER BY l.issue_id DESC
           LIMIT 1) END
FROM knowledge_contents AS c INDEXED BY knowledge_contents_of_source
CROSS JOIN records AS r ON r.id = c.id
CROSS JOIN jobs AS j ON j.id = c.id >> 24
LEFT JOIN knowledge_articles AS a
  ON a.object_id = 'km_content_' || c.id AND a.origin = '' AND a.workspace = c.workspace
WHERE c.workspace = :workspace AND c.source_id = :source AND c.taken_ms >= :since
  AND (c.taken_ms, c.id) < (:before_ms, :before) AND j.state <> 'receiving' AND r.state <> 'superseded'
ORDER BY c.taken_ms DESC, c.id DESC
LIMIT :limit;

-- name: status_since
SELECT c.id, c.taken_ms, c.done_ms, r.state, j.state, a.id, a.quality,
       CASE WHEN r.state IN ('issue', 'discarded', 'superseded') THEN (
           SELECT json_array(CASE r.state WHEN 'superseded' THEN i.comment ELSE i.message END, i.held)
           FROM issue_records AS l CROSS JOIN issues AS i ON i.id = l.issue_id
           WHERE l.record_id = c.id
           ORDER BY l.issue_id DESC
           LIMIT 1) END
FROM knowledge_contents AS c INDEXED BY knowledge_contents_by_time
CROSS JOIN records AS r ON r.id = c.id
CROSS JOIN jobs AS j ON j.id = c.id >> 24
LEFT JOIN knowledge_articles AS a
  ON a.object_id = 'km_content_' || c.id AND a.origin = '' AND a.workspace = c.workspace
WHERE c.workspace = :workspace AND c.taken_ms >= :since
  AND (c.taken_ms, c.id) < (:before_ms, :before) AND j.state <> 'receiving' AND r.state <> 'superseded'
ORDER BY c.taken_ms DESC, c.id DESC
LIMIT :limit;

-- name: status_of_content
SELECT c.id, c.taken_ms, c.done_ms, r.state, j.state, a.id, a.quality,
       CASE WHEN r.state IN ('issue', 'discarded', 'superseded') THEN (
           SELECT json_array(CASE r.state WHEN 'superseded' THEN i.comment ELSE i.message END, i.held)
           FROM issue_records AS l CROSS JOIN issues AS i ON i.id = l.issue_id
           WHERE l.record_id = c.id
           ORDER BY l.issue_id DESC
           LIMIT 1) END
FROM knowledge_contents AS c
CROSS JOIN records AS r ON r.id = c.id
CROSS JOIN jobs AS j ON j.id = c.id >> 24
LEFT JOIN knowledge_articles AS a
  ON a.object_id = 'km_content_' || c.id AND a.origin = '' AND a.workspace = c.workspace
WHERE c.id = :content AND (:workspace IS NULL OR c.workspace = :workspace) AND j.state <> 'receiving';

-- One content (reading.py), with what came as it, or came with it from another box.

-- name: content
-- Without a box this box's own goes before those of others.
SELECT id, workspace, origin, source_id, url, title, quality, updated_ms, CAST(result AS BLOB), CAST(record AS BLOB), crc
FROM knowledge_articles
WHERE object_id = :object_id AND (:workspace IS NULL OR workspace = :workspace) AND (:box IS NULL OR origin = :box)
ORDER BY origin, workspace
LIMIT 1;

-- name: taken
SELECT workspace, source_id, url, taken_ms FROM knowledge_contents WHERE id = :content;

-- name: batches_of
SELECT b.name FROM knowledge_members AS m CROSS JOIN knowledge_batches AS b ON b.id = m.batch
WHERE m.content = :content
ORDER BY b.id
LIMIT :limit;

-- Articles (process.py, context.py, redact.py).

-- name: source_types
-- Of records (a JSON list of ids) whose source is known: its type.
SELECT c.id, s.type
FROM json_each(:ids) AS given
CROSS JOIN knowledge_contents AS c ON c.id = given.value
CROSS JOIN knowledge_sources AS s ON s.workspace = c.workspace AND s.source_id = c.source_id
WHERE c.workspace = :workspace;

-- name: given_up
-- What became of records before they were given up: the kind, and the object. `ids` is a JSON list.
SELECT 'article', a.object_id
FROM json_each(:ids) AS given
CROSS JOIN knowledge_contents AS c ON c.id = given.value
CROSS JOIN knowledge_articles AS a
  ON a.object_id = 'km_content_' || c.id AND a.origin = '' AND a.workspace = c.workspace;

-- name: remove_article
-- What is found by it goes with it; its tombstone is in `objects`.
DELETE FROM knowledge_articles WHERE workspace = :workspace AND object_id = :object_id AND origin = :origin;

-- name: erasable_article
-- What an erasure looks through (store/erasing/objects.py: Stored); without a limit: the reader stops by itself.
SELECT id, workspace, origin, object_id, version, record_id, updated_ms, CAST(result AS BLOB), CAST(record AS BLOB),
       crc, NULL, '', job_id, 0
FROM knowledge_articles
WHERE id > :after AND id < :below
ORDER BY id;

-- name: number_article
-- Of this box's own.
SELECT id FROM knowledge_articles WHERE workspace = :workspace AND object_id = :object_id AND origin = '';

-- name: put_article
-- The object's version was decided before (objects.put).
INSERT INTO knowledge_puts (workspace, origin, object_id, version, record_id, job_id, source_id, url, title, language,
                            type, quality, published_ms, labels, fingerprint, crawled_ms, updated_ms, result, record, crc,
                            text_hash, passages, passage_count, model, dimension, signs, vectors)
VALUES (:workspace, :origin, :object_id, :version, :record_id, :job_id, :source_id, :url, :title, :language,
        :type, :quality, :published_ms, :labels, :fingerprint, :crawled_ms, :at_ms, :result, :record, :crc, :text_hash, :passages, :passage_count,
        :model, :dimension, :signs, :vectors);

-- The list of articles (listing.py). Its filters are looked at in the index alone. What a person has to look at first
-- (`held`) has a record that waits; records of other boxes are not here.

-- name: list_page
SELECT a.id, a.object_id, a.origin, a.title, a.source_id, a.url, a.type, a.language, a.quality, a.published_ms,
       c.taken_ms, a.updated_ms, r.state
FROM (
    SELECT id AS found FROM knowledge_articles INDEXED BY knowledge_articles_listed
    WHERE workspace = :workspace AND id < :below
      AND (:source IS NULL OR source_id = :source)
      AND (:type IS NULL OR type = :type)
      AND (:language IS NULL OR language = :language)
      AND (:least IS NULL OR quality >= :least)
      AND (:most_quality IS NULL OR quality <= :most_quality)
      AND (:published_from IS NULL OR published_ms >= :published_from)
      AND (:published_before IS NULL OR published_ms < :published_before)
      AND (:status IS NULL OR (:status = 'held') = (origin = '' AND record_id IN (
          SELECT i.record_id FROM issues AS i INDEXED BY issues_held
          WHERE i.held = 1 AND i.resolved_ms IS NULL)))
    ORDER BY id DESC
    LIMIT :limit
)
CROSS JOIN knowledge_articles AS a ON a.id = found
LEFT JOIN knowledge_contents AS c ON c.id = a.record_id AND a.origin = ''
LEFT JOIN records AS r ON r.id = a.record_id AND a.origin = ''
ORDER BY a.id DESC;

-- name: list_total
SELECT COUNT(*) FROM (
    SELECT 1 FROM knowledge_articles INDEXED BY knowledge_articles_listed
    WHERE workspace = :workspace
      AND (:source IS NULL OR source_id = :source)
      AND (:type IS NULL OR type = :type)
      AND (:language IS NULL OR language = :language)
      AND (:least IS NULL OR quality >= :least)
      AND (:most_quality IS NULL OR quality <= :most_quality)
      AND (:published_from IS NULL OR published_ms >= :published_from)
      AND (:published_before IS NULL OR published_ms < :published_before)
      AND (:status IS NULL OR (:status = 'held') = (origin = '' AND record_id IN (
          SELECT i.record_id FROM issues AS i INDEXED BY issues_held
          WHERE i.held = 1 AND i.resolved_ms IS NULL)))
    LIMIT :most
);

-- Passages and vectors (vectors.py, indexing.py).

-- name: vectors_model
-- The model in a state; there is one of those in use.
SELECT id, name, dimension FROM knowledge_models WHERE state = :state ORDER BY id LIMIT 1;

-- name: vectors_range
-- The ids of a workspace's passages lie between these.
SELECT number << 40, (number + 1) << 40 FROM workspaces WHERE name = :workspace;

-- name: vectors_near
-- The first stage: the passages whose signs differ least from those of what is asked. All of a model's are read.
SELECT s.passage FROM knowledge_signs AS s
WHERE s.model = :model AND s.passage > :first AND s.passage < :beyond
ORDER BY vec_distance_hamming(vec_bit(s.bits), vec_bit(:bits)), s.passage
LIMIT :most;

-- name: vectors_of
-- The second stage: what the first one found, but for passages that an article has no more. `found` is a JSON list.
SELECT p.id, p.article, p.place, p.first, p.beyond, v.numbers
FROM json_each(:found) AS given
CROSS JOIN knowledge_signs AS s ON s.model = :model AND s.passage = given.value
CROSS JOIN knowledge_vectors AS v ON v.id = s.vector
CROSS JOIN knowledge_passages AS p ON p.id = s.passage
CROSS JOIN knowledge_indexed AS i ON i.article = p.article AND i.edition = p.edition;

-- name: vectors_waiting
-- Whether anything is not found yet by all that it says.
SELECT EXISTS (SELECT 1 FROM knowledge_indexed WHERE model = 0);

-- name: models_add
INSERT INTO knowledge_models (name, dimension, state) VALUES (:name, :dimension, :state);

-- name: models_move
UPDATE knowledge_models SET state = :state WHERE id = :id;

-- name: models_gone
-- With its last vector.
DELETE FROM knowledge_models
WHERE id = :model AND state = 'leaving' AND NOT EXISTS (SELECT 1 FROM knowledge_signs WHERE model = :model);

-- name: leaving_signs
DELETE FROM knowledge_signs WHERE (model, passage) IN
    (SELECT model, passage FROM knowledge_signs WHERE model = :model LIMIT :limit);

-- name: leaving_next
SELECT article, edition FROM knowledge_leaving LIMIT 1;

-- name: leaving_passages
DELETE FROM knowledge_passages WHERE id IN
    (SELECT id FROM knowledge_passages WHERE article = :article AND edition = :edition LIMIT :limit);

-- name: leaving_done
DELETE FROM knowledge_leaving WHERE article = :article AND edition = :edition;

-- name: indexing_any
-- Whether there is anything to index, or to remove.
SELECT EXISTS (SELECT 1 FROM knowledge_indexed) OR EXISTS (SELECT 1 FROM knowledge_leaving)
    OR EXISTS (SELECT 1 FROM knowledge_models);

-- name: indexing_next
-- Articles that are indexed by a model from `low` to before `high`, the newest first.
SELECT i.article, i.edition, i.passages, a.title, octet_length(a.result)
FROM knowledge_indexed AS i CROSS JOIN knowledge_articles AS a ON a.id = i.article
WHERE i.model >= :low AND i.model < :high AND i.article NOT IN (SELECT value FROM json_each(:skip))
ORDER BY i.model DESC, i.article DESC
LIMIT :limit;

-- name: indexing_left
-- Whether an article is indexed by another model than this.
SELECT 1 FROM knowledge_indexed WHERE model < :model OR model > :model LIMIT 1;

-- name: indexing_waiting
-- Articles that have no vectors of a model; at most `most` are counted (-1: all).
SELECT COUNT(*) FROM (
    SELECT 1 FROM knowledge_indexed WHERE model < :model
    UNION ALL
    SELECT 1 FROM knowledge_indexed WHERE model > :model
    LIMIT :most
);

-- name: indexing_have
-- The passages of an article that are there, and whether they have vectors of two models.
SELECT p.place, EXISTS (SELECT 1 FROM knowledge_signs WHERE model = :target AND passage = p.id),
       EXISTS (SELECT 1 FROM knowledge_signs WHERE model = :old AND passage = p.id)
FROM knowledge_passages AS p WHERE p.article = :article AND p.edition = :edition;

-- name: indexing_result
SELECT CAST(result AS BLOB) FROM knowledge_articles WHERE id = :article;

-- name: indexing_is
SELECT 1 FROM knowledge_indexed WHERE article = :article AND edition = :edition;

-- name: indexing_passage
INSERT INTO knowledge_passages (id, article, edition, place, first, beyond)
SELECT COALESCE((SELECT MAX(p.id) FROM knowledge_passages AS p
                 WHERE p.id > w.number << 40 AND p.id < (w.number + 1) << 40), w.number << 40) + 1,
       a.id, :edition, :place, :first, :beyond
FROM knowledge_articles AS a CROSS JOIN workspaces AS w ON w.name = a.workspace
WHERE a.id = :article
ON CONFLICT (article, edition, place) DO NOTHING
RETURNING id;

-- name: indexing_words
INSERT INTO knowledge_words (rowid, title, body, exact) VALUES (:id, :title, :body, :exact);

-- name: indexing_embed
INSERT INTO knowledge_embedded (model, passage, bits, numbers)
SELECT :model, id, :bits, :numbers FROM knowledge_passages
WHERE article = :article AND edition = :edition AND place = :place;

-- name: indexing_done
UPDATE knowledge_indexed SET model = :model WHERE article = :article AND edition = :edition;

-- Near-duplicates (near.py).

-- name: band
-- The newest articles that share a band.
SELECT b.article FROM knowledge_bands AS b
WHERE b.workspace = (SELECT number FROM workspaces WHERE name = :workspace) AND b.number = :number
  AND b.value = unhex(:value)
ORDER BY b.article DESC LIMIT :limit;

-- name: near
SELECT id, origin, object_id, url, title, fingerprint, MIN(crawled_ms, updated_ms) AS crawled_ms
FROM knowledge_articles WHERE id IN (SELECT value FROM json_each(:ids)) AND workspace = :workspace;

-- name: fingerprint_of
SELECT fingerprint FROM knowledge_articles WHERE id = :id;

-- name: versions
-- Articles of the same address, the newest first, down to the article itself.
SELECT o.id, o.fingerprint
FROM knowledge_articles AS a CROSS JOIN knowledge_articles AS o INDEXED BY knowledge_articles_by_url
  ON o.workspace = a.workspace AND o.url = a.url
 AND MIN(o.crawled_ms, o.updated_ms) >= MIN(a.crawled_ms, a.updated_ms)
WHERE a.id = :id AND (MIN(o.crawled_ms, o.updated_ms), o.id) >= (MIN(a.crawled_ms, a.updated_ms), a.id)
ORDER BY MIN(o.crawled_ms, o.updated_ms) DESC, o.id DESC LIMIT :limit;

-- Search (searching/): by words and by vectors.

-- name: search_terms
-- How many words there are from `low` to before `high`, and how many passages they are in; at most `most` are counted.
SELECT COUNT(*), COALESCE(SUM(doc), 0)
FROM (SELECT doc FROM knowledge_terms WHERE term >= :low AND term < :high LIMIT :most);

-- name: search_filtered
-- The articles that pass a filter, as a JSON list, and their number. They are looked at in an index alone.
SELECT json_group_array(a.id), COUNT(*)
FROM knowledge_articles AS a INDEXED BY knowledge_articles_listed
WHERE a.workspace = :workspace
  AND (:sources IS NULL OR a.source_id IN (SELECT value FROM json_each(:sources)))
  AND (:types IS NULL OR a.type IN (SELECT value FROM json_each(:types)))
  AND (:languages IS NULL OR a.language IN (SELECT value FROM json_each(:languages)))
  AND (:quality IS NULL OR a.quality >= :quality)
  AND (:after IS NULL OR a.published_ms >= :after)
  AND (:before IS NULL OR a.published_ms < :before)
  AND (:prefix IS NULL OR substr(a.url, 1, length(:prefix)) = :prefix)
  AND (:tags IS NULL OR EXISTS (SELECT 1 FROM json_each(:tags) WHERE instr(a.labels, value)))
  AND (:categories IS NULL OR EXISTS (SELECT 1 FROM json_each(:categories) WHERE instr(a.labels, value)))
  AND (:specialties IS NULL OR EXISTS (SELECT 1 FROM json_each(:specialties) WHERE instr(a.labels, value)));

-- name: search_words
-- Of each article its best passage, by the words of `match`; `wanted` and `unwanted` are expressions too, `articles` is
-- what the filter lets pass. The signs of bm25 are such that less is better.
WITH hits AS MATERIALIZED (
    SELECT rowid AS id, bm25(knowledge_words, 2.0, 1.0, 1.0) AS score FROM knowledge_words
    WHERE knowledge_words MATCH :match AND rowid > :first AND rowid < :beyond
)
SELECT p.article, p.id, p.place, p.first, p.beyond, MIN(hits.score)
FROM hits CROSS JOIN knowledge_passages AS p ON p.id = hits.id
CROSS JOIN knowledge_indexed AS i ON i.article = p.article AND i.edition = p.edition
WHERE (:wanted IS NULL OR hits.id IN (
           SELECT rowid FROM knowledge_words
           WHERE knowledge_words MATCH :wanted AND rowid > :first AND rowid < :beyond))
  AND (:unwanted IS NULL OR hits.id NOT IN (
           SELECT rowid FROM knowledge_words
           WHERE knowledge_words MATCH :unwanted AND rowid > :first AND rowid < :beyond))
  AND (:articles IS NULL OR p.article IN (SELECT value FROM json_each(:articles)))
GROUP BY p.article
ORDER BY MIN(hits.score), p.article
LIMIT :most;

-- name: search_last
-- The newest passage of a workspace.
SELECT MAX(id) FROM knowledge_passages WHERE id > :first AND id < :beyond;

-- name: search_piece
-- Above which id so many passages are that have a word, from the newest down; none if there are fewer.
SELECT rowid FROM knowledge_words WHERE knowledge_words MATCH :match AND rowid > :first AND rowid < :beyond
ORDER BY rowid DESC LIMIT 1 OFFSET :most;

-- name: search_near
-- As `vectors_near`, of these articles alone, which are many.
SELECT s.passage
FROM knowledge_signs AS s CROSS JOIN knowledge_passages AS p ON p.id = s.passage
WHERE s.model = :model AND s.passage > :first AND s.passage < :beyond
  AND p.article IN (SELECT value FROM json_each(:articles))
ORDER BY vec_distance_hamming(vec_bit(s.bits), vec_bit(:bits)), s.passage
LIMIT :most;

-- name: search_near_few
-- The same where they are few.
SELECT s.passage
FROM json_each(:articles) AS given CROSS JOIN knowledge_passages AS p ON p.article = given.value
CROSS JOIN knowledge_signs AS s ON s.model = :model AND s.passage = p.id
WHERE s.passage > :first AND s.passage < :beyond
ORDER BY vec_distance_hamming(vec_bit(s.bits), vec_bit(:bits)), s.passage
LIMIT :most;

-- name: search_has
-- Which of these passages (a JSON list) have what an expression of the full-text engine says.
SELECT rowid FROM knowledge_words
WHERE knowledge_words MATCH :match AND rowid IN (SELECT value FROM json_each(:ids));

-- name: search_article
-- What is told of an article; without its result and record if they have more than `bytes`.
SELECT a.object_id, a.origin, a.title, a.url, a.source_id, a.type, a.language, a.published_ms, a.quality, a.crc,
       CASE WHEN LENGTH(a.result) + COALESCE(LENGTH(a.record), 0) <= :bytes THEN CAST(a.result AS BLOB) END,
       CASE WHEN LENGTH(a.result) + COALESCE(LENGTH(a.record), 0) <= :bytes THEN CAST(a.record AS BLOB) END
FROM knowledge_articles AS a WHERE a.id = :id;

-- name: merge_article
-- A slice of writing the index of full text anew: words of what was replaced or removed are in it until then. Less than
-- no pages begin with all of it, others go on.
INSERT INTO knowledge_words (knowledge_words, rank) VALUES ('merge', :pages);

-- Sources (sources/): what is said of them, and when something came of them last.

-- name: source
SELECT id, source_id, name, type, status, crawl_frequency, settings, every_ms, total_content, last_crawl_ms, heard_ms,
       since_ms, created_ms, updated_ms
FROM knowledge_sources
WHERE workspace = :workspace AND source_id = :source_id;

-- name: source_page
SELECT id, source_id, name, type, status, crawl_frequency, settings, every_ms, total_content, last_crawl_ms, heard_ms,
       since_ms, created_ms, updated_ms
FROM knowledge_sources INDEXED BY knowledge_sources_listed
WHERE workspace = :workspace AND id < :below AND (:status IS NULL OR status = :status)
ORDER BY id DESC
LIMIT :limit;

-- name: source_add
INSERT INTO knowledge_sources (workspace, source_id, name, type, status, crawl_frequency, settings, every_ms, since_ms,
                               created_ms, updated_ms)
VALUES (:workspace, :source_id, :name, :type, :status, :crawl_frequency, :settings, :every_ms, :since_ms,
        :updated_ms, :updated_ms);

-- name: source_change
UPDATE knowledge_sources
SET name = :name, type = :type, status = :status, crawl_frequency = :crawl_frequency, settings = :settings,
    every_ms = :every_ms, since_ms = :since_ms, updated_ms = :updated_ms
WHERE workspace = :workspace AND source_id = :source_id;

-- name: source_remove
DELETE FROM knowledge_sources WHERE workspace = :workspace AND source_id = :source_id;

-- name: source_heard
-- What came again is no new content, and its source is not silent. Once a minute is enough.
UPDATE knowledge_sources
SET heard_ms = :now, since_ms = :now,
    last_crawl_ms = MAX(COALESCE(last_crawl_ms, 0), MIN(COALESCE(:crawled_ms, :now), :now))
WHERE workspace = :workspace AND source_id = :source_id AND ABS(:now - COALESCE(heard_ms, 0)) >= 60000;

-- name: sources_quiet
-- The longest silent first.
SELECT workspace, source_id, heard_ms, created_ms, crawl_frequency
FROM knowledge_sources INDEXED BY knowledge_sources_by_silence
WHERE status = 'active' AND every_ms IS NOT NULL AND since_ms + 2 * every_ms < :now
ORDER BY since_ms + 2 * every_ms
LIMIT :limit;

-- name: sources_quiet_count
SELECT COUNT(*) FROM knowledge_sources INDEXED BY knowledge_sources_by_silence
WHERE status = 'active' AND every_ms IS NOT NULL AND since_ms + 2 * every_ms < :now;

-- name: sources_by_status
SELECT status, COUNT(*) FROM knowledge_sources INDEXED BY knowledge_sources_by_status GROUP BY status;

-- name: whole_article
-- All of them by their number, for checks and exports (store/whole.py: Whole); without a limit: the reader stops by
-- itself. The casts are for what a flipped bit makes of a text.
SELECT id, CAST(workspace AS BLOB), CAST(origin AS BLOB), NULL, CAST(object_id AS BLOB), version, record_id, CAST(job_id AS BLOB),
       updated_ms, CAST(result AS BLOB), CAST(record AS BLOB), crc, 0
FROM knowledge_articles WHERE id > :after ORDER BY id;

-- name: export_source
SELECT id, workspace,
       json_object('id', source_id, 'workspace', workspace, 'name', name, 'type', type, 'status', status,
                   'crawl_frequency', crawl_frequency, 'settings', json(settings), 'total_content', total_content,
                   'last_crawl_ms', last_crawl_ms, 'created_ms', created_ms, 'updated_ms', updated_ms)
FROM knowledge_sources WHERE id > :after1 ORDER BY id LIMIT 500;

-- name: export_batch
SELECT id, workspace,
       json_object('id', CAST(id AS TEXT), 'workspace', workspace, 'name', name, 'parent', parent, 'taken_ms', taken_ms)
FROM knowledge_batches WHERE id > :after1 ORDER BY id LIMIT 500;

-- name: export_content
-- Where and when each article was crawled; its record has the same id.
SELECT id, workspace,
       json_object('record', CAST(id AS TEXT), 'workspace', workspace, 'source', source_id, 'url', url,
                   'taken_ms', taken_ms, 'crawled_ms', crawled_ms, 'done_ms', done_ms)
FROM knowledge_contents WHERE id > :after1 ORDER BY id LIMIT 500;

-- name: export_member
-- Which articles came in which batch.
SELECT m.batch, m.content, b.workspace,
       json_object('batch', CAST(m.batch AS TEXT), 'record', CAST(m.content AS TEXT))
FROM knowledge_members AS m LEFT JOIN knowledge_batches AS b ON b.id = m.batch
WHERE (m.batch, m.content) > (:after1, :after2) ORDER BY m.batch, m.content LIMIT 500;
