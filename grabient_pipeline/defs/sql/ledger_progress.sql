-- How often the ledger was published, and when it began.
SELECT revision, (SELECT min(applied_at) FROM schema_migrations) FROM config
