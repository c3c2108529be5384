-- name: put_ticket
-- The object's version was decided before (objects.put); the ticket follows it whole, with all that is found by
-- it (see the trigger of `ticket_puts`).
INSERT INTO ticket_puts (workspace, origin, ticket_id, version, record_id, job_id, summary, sentiment, score, trend,
                         language, updated_ms, result, record, crc, entities, title, body)
VALUES (:workspace, :origin, :object_id, :version, :record_id, :job_id, :summary, :sentiment, :score, :trend,
        :language, :at_ms, :result, :record, :crc, :entities, :title, :body);

-- name: ticket
-- An own ticket before one of the same id from another box; its text lies with its record.
-- The casts cost nothing, and a flipped bit can make a text of a blob.
SELECT t.ticket_id, t.origin, t.summary, t.sentiment, t.score, t.trend, t.updated_ms, t.job_id,
       CAST(t.result AS BLOB), CAST(t.record AS BLOB), t.crc, CAST(r.payload AS BLOB), r.crc, t.record_id
FROM tickets AS t LEFT JOIN records AS r ON r.id = t.record_id AND t.origin = ''
WHERE t.workspace = :workspace AND t.ticket_id = :ticket_id
ORDER BY t.origin
LIMIT 1;

-- name: ticket_from
-- The same from one box; '' is this one.
SELECT t.ticket_id, t.origin, t.summary, t.sentiment, t.score, t.trend, t.updated_ms, t.job_id,
       CAST(t.result AS BLOB), CAST(t.record AS BLOB), t.crc, CAST(r.payload AS BLOB), r.crc, t.record_id
FROM tickets AS t LEFT JOIN records AS r ON r.id = t.record_id AND t.origin = ''
WHERE t.workspace = :workspace AND t.ticket_id = :ticket_id AND t.origin = :box;

-- name: tickets
-- Newest first, like the two that follow; (updated_ms, id) is where the page goes on.
SELECT ticket_id, origin, summary, sentiment, score, trend, updated_ms, language, id
FROM tickets
WHERE workspace = :workspace AND updated_ms >= :from_ms AND (updated_ms, id) < (:before_ms, :before_id)
ORDER BY updated_ms DESC, id DESC
LIMIT :limit;

-- name: tickets_in
-- `cells` is a JSON list of [sentiment, language]. Each is a range of the index in the right order; of each no more
-- are read than the page takes.
SELECT t.ticket_id, t.origin, t.summary, t.sentiment, t.score, t.trend, t.updated_ms, t.language, t.id
FROM json_each(:cells) AS cell CROSS JOIN tickets AS t
WHERE t.id IN (SELECT id FROM tickets
               WHERE workspace = :workspace AND sentiment = cell.value ->> 0 AND language = cell.value ->> 1
                 AND updated_ms >= :from_ms AND (updated_ms, id) < (:before_ms, :before_id)
               ORDER BY updated_ms DESC, id DESC LIMIT :limit)
ORDER BY t.updated_ms DESC, t.id DESC
LIMIT :limit;

-- name: tickets_naming
-- The same for those that name an entity.
SELECT t.ticket_id, t.origin, t.summary, t.sentiment, t.score, t.trend, t.updated_ms, t.language, t.id
FROM json_each(:cells) AS cell CROSS JOIN tickets AS t
WHERE t.id IN (SELECT ticket FROM ticket_entities
               WHERE entity = :entity AND sentiment = cell.value ->> 0 AND language = cell.value ->> 1
                 AND updated_ms >= :from_ms AND (updated_ms, ticket) < (:before_ms, :before_id)
               ORDER BY updated_ms DESC, ticket DESC LIMIT :limit)
ORDER BY t.updated_ms DESC, t.id DESC
LIMIT :limit;

-- name: tickets_arrived
-- By their ids, which they keep whatever becomes of them, among those above `low` and below `below`.
SELECT ticket_id, origin, summary, sentiment, score, trend, updated_ms, language, id
FROM tickets
WHERE id > :low AND id < :below AND updated_ms >= :from_ms AND updated_ms < :until_ms
  AND sentiment = COALESCE(:sentiment, sentiment) AND language = COALESCE(:language, language)
  AND (:entity IS NULL
       OR EXISTS (SELECT 1 FROM ticket_entities AS e WHERE e.ticket = tickets.id AND e.entity = :entity))
ORDER BY id DESC
LIMIT :limit;

-- name: tickets_found
-- The same of those that full text has found (`ids`, a JSON list), also such as name an entity, if it is not null.
SELECT t.ticket_id, t.origin, t.summary, t.sentiment, t.score, t.trend, t.updated_ms, t.language, t.id
FROM json_each(:ids) AS found CROSS JOIN tickets AS t ON t.id = found.value
WHERE t.updated_ms >= :from_ms AND (t.updated_ms, t.id) < (:before_ms, :before_id)
  AND (:entity IS NULL OR EXISTS (SELECT 1 FROM ticket_entities AS e WHERE e.ticket = t.id AND e.entity = :entity))
ORDER BY t.updated_ms DESC, t.id DESC
LIMIT :limit;

-- name: found_total
SELECT COUNT(*)
FROM json_each(:ids) AS found CROSS JOIN tickets AS t ON t.id = found.value
WHERE t.updated_ms >= :from_ms AND t.updated_ms < :until_ms
  AND (:entity IS NULL OR EXISTS (SELECT 1 FROM ticket_entities AS e WHERE e.ticket = t.id AND e.entity = :entity));

-- name: ticket_total
-- Of a workspace; `sentiment` and `language` are null for all of them, here and below.
SELECT COALESCE(SUM(tickets), 0) FROM ticket_totals
WHERE workspace = :workspace AND sentiment = COALESCE(:sentiment, sentiment)
  AND language = COALESCE(:language, language);

-- name: ticket_total_between
SELECT COALESCE(SUM(tickets), 0) FROM ticket_days
WHERE workspace = :workspace AND day BETWEEN :first_day AND :last_day
  AND sentiment = COALESCE(:sentiment, sentiment) AND language = COALESCE(:language, language);

-- name: naming_total
-- `cells` as above.
SELECT COUNT(*) FROM json_each(:cells) AS cell CROSS JOIN ticket_entities AS e
WHERE e.entity = :entity AND e.sentiment = cell.value ->> 0 AND e.language = cell.value ->> 1
  AND e.updated_ms >= :from_ms AND e.updated_ms < :until_ms;

-- name: entity
-- Of these keys (a JSON list) the one that most tickets name.
SELECT e.id, e.tickets
FROM json_each(:keys) AS given CROSS JOIN entities AS e
WHERE e.workspace = :workspace AND e.key = given.value
ORDER BY e.tickets DESC, e.id
LIMIT 1;

-- name: top_entities
-- The most of each label, and of these the most; of equals the one that was named first.
SELECT e.text, e.label, e.tickets
FROM json_each(:labels) AS label CROSS JOIN entities AS e
WHERE e.id IN (SELECT id FROM entities
               WHERE workspace = :workspace AND label = label.value
               ORDER BY tickets DESC, id LIMIT :limit)
ORDER BY e.tickets DESC, e.id
LIMIT :limit;

-- name: days
-- A row for each day and sentiment that there is, in the order of the key.
SELECT day, sentiment, SUM(tickets) FROM ticket_days
WHERE workspace = :workspace AND day BETWEEN :first_day AND :last_day
GROUP BY day, sentiment;

-- name: sums
-- What the days from `middle` on come to (1), and those before it (0); a few dozen rows.
SELECT day >= :middle, sentiment, language, SUM(tickets), SUM(points) FROM ticket_days
WHERE workspace = :workspace AND day BETWEEN :first_day AND :last_day
GROUP BY day >= :middle, sentiment, language;

-- name: open_work
-- Issues that wait for a person, and jobs by state.
SELECT 'issues', open FROM issue_tallies WHERE workspace = :workspace AND family = 'feedback'
UNION ALL
SELECT state, jobs FROM job_tallies WHERE workspace = :workspace AND family = 'feedback';

-- name: ids
-- Between which all ids of a workspace's tickets lie: above the one, below the other.
SELECT w.number << 40,
       COALESCE((SELECT MAX(id) FROM tickets WHERE id > w.number << 40 AND id < (w.number + 1) << 40), 0) + 1
FROM workspaces AS w WHERE w.name = :workspace;

-- name: named
-- The store's id of the ticket with this id, an own one before those of other boxes.
SELECT id FROM tickets WHERE workspace = :workspace AND ticket_id = :ticket_id ORDER BY origin LIMIT 1;

-- name: match
-- Full text, the newest tickets first; for `match` see store/search.py.
SELECT rowid FROM ticket_words
WHERE ticket_words MATCH :match AND rowid > :low AND rowid < :high
ORDER BY rowid DESC
LIMIT :limit;

-- name: match_count
-- Up to `limit`.
SELECT COUNT(*) FROM (SELECT 1 FROM ticket_words
                      WHERE ticket_words MATCH :match AND rowid > :low AND rowid < :high
                      LIMIT :limit);

-- name: terms
-- The words from `low` to below `high`. Each step seeks the next one, so that only the first place of each is read.
WITH RECURSIVE found (term) AS (
    SELECT (SELECT term FROM ticket_terms WHERE term >= :low AND term < :high LIMIT 1)
    UNION ALL
    SELECT (SELECT t.term FROM ticket_terms AS t WHERE t.term >= found.term || ' ' AND t.term < :high LIMIT 1)
    FROM found WHERE found.term IS NOT NULL
)
SELECT term FROM found WHERE term IS NOT NULL LIMIT :limit;

-- name: hits
-- Tickets by their ids (a JSON list), with what their snippets are made of, as in `ticket`; of one that is longer
-- than `bytes` the summary alone.
SELECT t.id, t.ticket_id, t.origin, t.summary, t.crc, CAST(t.result AS BLOB), CAST(t.record AS BLOB),
       CAST(r.payload AS BLOB), r.crc
FROM json_each(:ids) AS each CROSS JOIN tickets AS t ON t.id = each.value
     LEFT JOIN records AS r ON r.id = t.record_id AND t.origin = ''
WHERE LENGTH(t.result) + COALESCE(LENGTH(t.record), 0) + COALESCE(LENGTH(r.payload), 0) <= :bytes
UNION ALL
SELECT t.id, t.ticket_id, t.origin, t.summary, 0, NULL, NULL, NULL, NULL
FROM json_each(:ids) AS each CROSS JOIN tickets AS t ON t.id = each.value
     LEFT JOIN records AS r ON r.id = t.record_id AND t.origin = ''
WHERE LENGTH(t.result) + COALESCE(LENGTH(t.record), 0) + COALESCE(LENGTH(r.payload), 0) > :bytes;

-- name: not_indexed
-- Whether tickets from before there was full text wait to be put once more.
SELECT EXISTS (SELECT 1 FROM tickets WHERE indexed = 0);

-- name: not_indexed_ticket
-- The next of them, with what a put takes; together they have up to `bytes`, but for the first.
WITH waiting AS (
    SELECT waiting_first.id AS id, ROW_NUMBER() OVER (ORDER BY waiting_first.id) AS place,
           SUM(LENGTH(waiting_first.result) + COALESCE(LENGTH(waiting_first.record), 0) + COALESCE(LENGTH(r.payload), 0))
               OVER (ORDER BY waiting_first.id) AS size
    FROM (SELECT id, origin, record_id, result, record FROM tickets
          WHERE indexed = 0 ORDER BY id LIMIT :limit) AS waiting_first
         LEFT JOIN records AS r ON r.id = waiting_first.record_id AND waiting_first.origin = ''
)
SELECT t.workspace, t.origin, t.ticket_id, t.version, t.record_id, t.job_id, t.updated_ms,
       CAST(t.result AS BLOB), CAST(t.record AS BLOB), t.crc, CAST(r.payload AS BLOB), r.crc, t.id
FROM waiting CROSS JOIN tickets AS t ON t.id = waiting.id
     LEFT JOIN records AS r ON r.id = t.record_id AND t.origin = ''
WHERE waiting.size <= :bytes OR waiting.place = 1
ORDER BY t.id;

-- name: waits_ticket
SELECT 1 FROM tickets
WHERE workspace = :workspace AND ticket_id = :object_id AND origin = :origin AND version = :version
  AND record_id = :record_id AND indexed = 0;

-- name: give_up_ticket
-- It is damaged: nothing is found by its words.
UPDATE tickets SET indexed = -1 WHERE id = :id AND indexed = 0;

-- name: remove_ticket
-- What is found by it goes with it; its tombstone is in `objects`.
DELETE FROM tickets WHERE workspace = :workspace AND ticket_id = :object_id AND origin = :origin;

-- name: erasable_ticket
-- What an erasure looks through (store/erasing/objects.py: Stored); without a limit: the reader stops by itself.
SELECT id, workspace, origin, ticket_id, version, record_id, updated_ms, CAST(result AS BLOB), CAST(record AS BLOB),
       crc, NULL, '', job_id, 0
FROM tickets
WHERE id > :after AND id < :below
ORDER BY id;

-- name: number_ticket
-- Of this box's own.
SELECT id FROM tickets WHERE workspace = :workspace AND ticket_id = :object_id AND origin = '';

-- name: merge_ticket
-- A slice of writing the index of full text anew: words of what was replaced or removed are in it until then. Less than
-- no pages begin with all of it, others go on.
INSERT INTO ticket_words (ticket_words, rank) VALUES ('merge', :pages);

-- name: whole_ticket
-- All of them by their number, for checks and exports (store/whole.py: Whole); without a limit: the reader stops by
-- itself. The casts are for what a flipped bit makes of a text.
SELECT id, CAST(workspace AS BLOB), CAST(origin AS BLOB), NULL, CAST(ticket_id AS BLOB), version, record_id, CAST(job_id AS BLOB),
       updated_ms, CAST(result AS BLOB), CAST(record AS BLOB), crc, 0
FROM tickets WHERE id > :after ORDER BY id;
