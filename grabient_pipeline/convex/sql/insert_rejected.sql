-- `rejected` is a registered table: table_name, document_key, line_number, kind, reason, document.
INSERT OR IGNORE INTO convex_set_aside BY NAME SELECT *, now() AS set_aside_at FROM rejected
