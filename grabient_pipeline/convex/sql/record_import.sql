INSERT OR REPLACE INTO convex_imports
VALUES ($fingerprint, $table_name, $source, $lines_done, $finished, $counts, now())
