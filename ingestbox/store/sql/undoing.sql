-- name: state
SELECT s.phase, s.undo_position, s.removed, s.kept, s.workspace, s.family, s.owner, j.public_id
FROM staged_jobs AS s JOIN jobs AS j ON j.id = s.job_id
WHERE s.job_id = :job_id;

-- name: begin
-- Alone, as one that makes objects is: nobody updates what is being removed, and nobody takes it for existing.
UPDATE staged_jobs SET phase = 'undoing', undo_position = 0, removed = 0, kept = 0
WHERE job_id = :job_id AND phase = 'done'
  AND NOT EXISTS (
      SELECT 1 FROM staged_jobs AS other
      WHERE other.workspace = staged_jobs.workspace AND other.family = staged_jobs.family
        AND other.owner = staged_jobs.owner AND other.phase IN ('consolidating', 'undoing')
  );

-- name: rows
-- The job's rows in order, each with whether it is done, and the object that it made, as it is now (null: it made
-- none): whether that is still as the row made it, and whether it is gone.
SELECT r.id, r.state = 'done', o.intake = r.id, o.deleted
FROM records AS r
LEFT JOIN objects AS o
  ON o.origin = '' AND o.workspace = :workspace AND o.family = :family AND o.kind = :kind
 AND o.object_id = CAST(r.id AS TEXT)
WHERE r.id >= :first AND r.id < :beyond
ORDER BY r.id
LIMIT :limit;

-- name: move
UPDATE staged_jobs SET undo_position = :position, removed = removed + :removed, kept = kept + :kept
WHERE job_id = :job_id;

-- name: finish
-- Its file may come again, by content and by name.
UPDATE staged_jobs SET phase = 'undone', undone_ms = :now, live = 0 WHERE job_id = :job_id AND phase = 'undoing';

-- name: touch
UPDATE jobs SET updated_ms = :now WHERE id = :id;

-- name: under_way
-- The first condition is that of the index.
SELECT s.job_id, s.family FROM staged_jobs AS s INDEXED BY staged_hiding
WHERE s.phase IN ('consolidating', 'undoing') AND s.phase = 'undoing'
ORDER BY s.family, s.job_id
LIMIT :limit;

-- name: waiting
-- Jobs of the same owner that wait for their turn, oldest first.
SELECT other.job_id
FROM staged_jobs AS s CROSS JOIN staged_jobs AS other
  ON other.workspace = s.workspace AND other.family = s.family AND other.owner = s.owner AND other.phase = 'turn'
WHERE s.job_id = :job_id
ORDER BY other.job_id;
