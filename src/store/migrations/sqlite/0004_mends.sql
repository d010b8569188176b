-- What a mapping has noted of rows and keys may be of any size: to delete it all at once would hold up every other
-- write for minutes. A mapping that is deleted leaves a row of its id without a sync behind, by which that is found and
-- swept, some at a time; the mapping itself gets a new id when it comes back. The tables are made anew because SQLite
-- cannot take a reference or a NOT NULL away.

CREATE TABLE rows_made_anew (
  mapping_id INTEGER NOT NULL,
  key_hash   BLOB NOT NULL,
  row_hash   BLOB NOT NULL,
  key        TEXT NOT NULL,
  generation INTEGER NOT NULL,
  PRIMARY KEY (mapping_id, key_hash)
) WITHOUT ROWID;
INSERT INTO rows_made_anew SELECT mapping_id, key_hash, row_hash, key, generation FROM sync_rows;
DROP TABLE sync_rows;
ALTER TABLE rows_made_anew RENAME TO sync_rows;

CREATE TABLE keys_made_anew (
  mapping_id INTEGER NOT NULL,
  key_set    INTEGER NOT NULL,
  key_hash   BLOB NOT NULL,
  PRIMARY KEY (mapping_id, key_set, key_hash)
) WITHOUT ROWID;
INSERT INTO keys_made_anew SELECT mapping_id, key_set, key_hash FROM sync_keys;
DROP TABLE sync_keys;
ALTER TABLE keys_made_anew RENAME TO sync_keys;

CREATE TABLE mappings_made_anew (
  id                INTEGER PRIMARY KEY,
  -- Null: deleted, and to be swept.
  sync_id           TEXT COLLATE NOCASE REFERENCES syncs(id) ON DELETE CASCADE,
  mapping           TEXT NOT NULL,
  position          TEXT NOT NULL,
  fingerprint_data  TEXT NOT NULL,
  fingerprint_shape TEXT NOT NULL,
  owned             INTEGER NOT NULL,
  appending         INTEGER NOT NULL,
  generation        INTEGER NOT NULL,
  outgrown_since    TEXT,
  reconciled_at     TEXT,
  reconciled        TEXT NOT NULL DEFAULT '',
  brake             INTEGER NOT NULL DEFAULT 0,
  UNIQUE (sync_id, mapping)
);
INSERT INTO mappings_made_anew
SELECT id, sync_id, mapping, position, fingerprint_data, fingerprint_shape, owned, appending, generation, outgrown_since,
       reconciled_at, reconciled, brake FROM sync_mappings;
DROP TABLE sync_mappings;
ALTER TABLE mappings_made_anew RENAME TO sync_mappings;

CREATE TRIGGER sync_mappings_deleted AFTER DELETE ON sync_mappings
WHEN old.sync_id IS NOT NULL
BEGIN
  INSERT INTO sync_mappings(id, mapping, position, fingerprint_data, fingerprint_shape, owned, appending, generation)
  VALUES (old.id, old.mapping, '', '', '', 0, 0, 0);
END;

-- A run that began under another version of its sync's definition than the sync has now ends after its batch.
-- Counts changes of the definition, and leaving the config.
ALTER TABLE sync_state ADD COLUMN definition_version INTEGER NOT NULL DEFAULT 0;
-- What that was when the lease was granted.
ALTER TABLE sync_state ADD COLUMN lease_version INTEGER NOT NULL DEFAULT 0;
