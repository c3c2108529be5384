-- name: keep
INSERT INTO knowledge_contents (id, workspace, source_id, url, hash, taken_ms)
VALUES (:id, :workspace, :source_id, :url, :hash, :now);

-- name: put_article
-- The object's version was decided before (objects.put).
INSERT INTO knowledge_puts (workspace, origin, object_id, version, record_id, job_id, source_id, url, title, language,
                            updated_ms, result, record, crc)
VALUES (:workspace, :origin, :object_id, :version, :record_id, :job_id, :source_id, :url, :title, :language,
        :at_ms, :result, :record, :crc);
