-- Answers without an analysis index, unless the migration has numbered them already, or they lost to another answer.
-- `unnumbered` is a registered table.
INSERT OR IGNORE INTO unnumbered_palette_tags BY NAME
SELECT unnumbered.* EXCLUDE (
    analysis_index, finish_reason, repair, cached_input_tokens, cache_write_tokens, cache_write_hour_tokens, reasoning_tokens
)
FROM unnumbered
ANTI JOIN tag_requests USING (custom_id)
ANTI JOIN (
    SELECT document_key AS convex_id FROM convex_set_aside WHERE table_name = 'palette_tags' AND kind = 'conflict'
) AS lost USING (convex_id)
