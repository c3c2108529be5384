-- name: insert
INSERT INTO deliveries (seq, epoch, op, workspace, family, kind, object_id, version, record_id, at_ms, line, crc)
VALUES (:seq, :epoch, :op, :workspace, :family, :kind, :object_id, :version, :record_id, :now, :line, :crc);
