-- Move the answers whose analysis index another answer has to the rejected documents. After `rank_answers`.
INSERT OR IGNORE INTO convex_set_aside BY NAME
SELECT
    'palette_tags' AS table_name,
    convex_id AS document_key,
    line_number,
    'conflict' AS kind,
    CASE verdict
        WHEN 'lost to a usable one' THEN 'two answers for one key: the usable one won over an error'
        ELSE 'two answers for one key: the one that came first stays'
    END AS reason,
    to_json({
        '_id': convex_id,
        'seed': unnumbered.seed,
        'provider': provider,
        'model': model,
        'runNumber': run_number,
        'promptVersion': prompt_version,
        'tags': CASE WHEN json_valid(text) THEN text::JSON ELSE to_json(text) END,
        'error': error,
        'usage': {'inputTokens': input_tokens, 'outputTokens': output_tokens},
        'more': convex_fields::JSON
    }) AS document,
    now() AS set_aside_at
FROM unnumbered_palette_tags AS unnumbered
JOIN (SELECT custom_id, verdict FROM ranked_answers WHERE starts_with(verdict, 'lost')) USING (custom_id);

DELETE FROM unnumbered_palette_tags
