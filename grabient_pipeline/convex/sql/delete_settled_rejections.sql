-- Rejections of documents that are imported now. `settled` is a registered table: document_key. Parameters: table_name.
DELETE FROM convex_set_aside
WHERE table_name = $table_name AND document_key IN (SELECT document_key FROM settled)
