-- name: put_ticket
-- The object's version was decided before (objects.put); the ticket follows it whole, with all that is found by
-- it (see the trigger of `ticket_puts`).
INSERT INTO ticket_puts (workspace, origin, ticket_id, version, record_id, job_id, summary, sentiment, score, trend,
                         language, updated_ms, result, record, crc)
VALUES (:workspace, :origin, :object_id, :version, :record_id, :job_id, :summary, :sentiment, :score, :trend,
        :language, :at_ms, :result, :record, :crc);

-- name: ticket
-- An own ticket before one of the same id from another box; its text lies with its record.
-- The casts cost nothing, and a flipped bit can make a text of a blob.
SELECT t.ticket_id, t.origin, t.summary, t.sentiment, t.score, t.trend, t.updated_ms, t.job_id,
       CAST(t.result AS BLOB), CAST(t.record AS BLOB), t.crc, CAST(r.payload AS BLOB), r.crc
FROM tickets AS t LEFT JOIN records AS r ON r.id = t.record_id AND t.origin = ''
WHERE t.workspace = :workspace AND t.ticket_id = :ticket_id
ORDER BY t.origin
LIMIT 1;

-- name: tickets
SELECT ticket_id, origin, summary, sentiment, score, trend, updated_ms
FROM tickets
WHERE workspace = :workspace AND (ticket_id, origin) > (:ticket_id, :origin)
ORDER BY ticket_id, origin
LIMIT :limit;

-- name: ticket_count
SELECT COUNT(*) FROM tickets WHERE workspace = :workspace;
