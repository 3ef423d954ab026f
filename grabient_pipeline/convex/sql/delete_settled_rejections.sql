-- What was set aside once and has been taken now. `settled` is a table of ours: document_key. Parameters: table_name.
DELETE FROM convex_set_aside
WHERE table_name = $table_name AND document_key IN (SELECT document_key FROM settled)
