-- Reconciliation: when both sides' keys were last compared, what that found, and what is held back.

ALTER TABLE sync_mappings ADD COLUMN reconciled_at TEXT;
ALTER TABLE sync_mappings ADD COLUMN reconciled TEXT NOT NULL DEFAULT '';
-- 0: off, 1: deletes are held back, 2: a person let them pass.
ALTER TABLE sync_mappings ADD COLUMN brake INTEGER NOT NULL DEFAULT 0;

-- Sets of keys, by the hashes of their cells. key_set 0: keys that the mapping wrote into a table of others.
-- 1: keys whose removal the brake holds back.
CREATE TABLE sync_keys (
  mapping_id INTEGER NOT NULL REFERENCES sync_mappings(id) ON DELETE CASCADE,
  key_set    INTEGER NOT NULL,
  key_hash   BLOB NOT NULL,
  PRIMARY KEY (mapping_id, key_set, key_hash)
) WITHOUT ROWID;
