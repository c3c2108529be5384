-- name: insert
INSERT INTO files (job_id, stored, rows_file, rows_size, blocks, sha256, form, plan, position, about, total,
                   created_ms)
VALUES (:job_id, :stored, :rows_file, :rows_size, :blocks, :sha256, :form, :plan, :position, :about, :total, :now);

-- name: to_load
-- All that reading the next rows takes.
SELECT rows_file, rows_size, blocks, sha256, form, plan, position, total, loaded, repeated, error, loaded_ms
FROM files
WHERE job_id = :job_id;

-- name: about
SELECT about, loaded, error, removed_ms FROM files WHERE job_id = :job_id;

-- name: move
-- Counts once: where the last slice ended decides.
UPDATE files
SET position = :position, loaded = :loaded, repeated = repeated + :repeated, loaded_ms = :loaded_ms
WHERE job_id = :job_id AND loaded = :before AND loaded_ms IS NULL;

-- name: give_up
-- What is not loaded never will be; how many rows that were.
UPDATE files SET loaded_ms = :now, error = :error
WHERE job_id = :job_id AND loaded_ms IS NULL
RETURNING total - loaded;

-- name: repeats
-- The records of the same job that gave objects with these ids. `keys` is a JSON list. The cross join is in this
-- order: the other one goes over all objects of the workspace for every slice of a file.
SELECT o.intake
FROM json_each(:keys) AS given
CROSS JOIN objects AS o
  ON o.origin = '' AND o.workspace = :workspace AND o.family = :family AND o.kind = :kind
 AND o.object_id = given.value
WHERE o.intake >= :first AND o.intake < :beyond;

-- name: named
-- Which of these stored files a row has a use for. `names` is a JSON list.
SELECT f.stored
FROM json_each(:names) AS given CROSS JOIN files AS f ON f.stored = given.value
WHERE f.removed_ms IS NULL
UNION ALL
SELECT f.rows_file
FROM json_each(:names) AS given CROSS JOIN files AS f ON f.rows_file = given.value
WHERE f.removed_ms IS NULL;

-- name: retire
-- In slices; the sweep then removes what no row names. Nothing reads a file once its rows are in.
UPDATE files SET removed_ms = :now
WHERE job_id IN (
    SELECT job_id FROM files WHERE removed_ms IS NULL AND loaded_ms IS NOT NULL AND loaded_ms <= :before
    ORDER BY loaded_ms LIMIT :limit
);

-- name: whole
-- Files that are kept, for the doctor; a page.
SELECT job_id, stored, rows_file, sha256 FROM files WHERE removed_ms IS NULL AND job_id > :after ORDER BY job_id LIMIT 100;
