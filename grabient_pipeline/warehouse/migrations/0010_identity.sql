-- How far a ledger has come: a number that only grows, in the working database and in its published copy. An older or
-- another ledger must not replace the copy.
ALTER TABLE config ADD COLUMN revision BIGINT DEFAULT 0;
COMMENT ON COLUMN config.revision IS 'How often this ledger has been published; it only grows';
ALTER TABLE config ADD COLUMN backups VARCHAR DEFAULT '3,7,4';
COMMENT ON COLUMN config.backups IS 'How many backups are kept: the last ones, one a day, one a week; 0,0,0 for none';
ALTER TABLE config ADD COLUMN restored_at TIMESTAMPTZ;
COMMENT ON COLUMN config.restored_at IS 'When this ledger was last restored from a copy';
ALTER TABLE config ADD COLUMN paused_since TIMESTAMPTZ;
COMMENT ON COLUMN config.paused_since IS
    'Since when nothing that costs money is started without a person; null if it is';
ALTER TABLE config ADD COLUMN paused_reason VARCHAR;
COMMENT ON COLUMN config.paused_reason IS 'Why';
