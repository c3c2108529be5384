-- name: identity
SELECT box, epoch FROM box WHERE one = 1;

-- name: create
INSERT INTO box (one, box, epoch, next_seq, created_ms, probed_ms) VALUES (1, :box, :epoch, 1, :now, :now);

-- name: take_seqs
-- Numbers are taken in the transaction that uses them, so that none is ever skipped.
UPDATE box SET next_seq = next_seq + :n WHERE one = 1 RETURNING next_seq - :n;

-- name: probe
UPDATE box SET probed_ms = :now WHERE one = 1;
