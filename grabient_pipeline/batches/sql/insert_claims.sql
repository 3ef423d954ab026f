-- Fails, and the whole reservation with it, if any of these requests is in flight or has succeeded.
-- `reserved` is a registered frame: custom_id, seed, analysis_index, basis.
-- Parameters: stage, provider, model, prompt_version.
INSERT INTO request_claims
SELECT
    md5_number(concat_ws(chr(31), $stage, seed, $provider, $model, analysis_index, $prompt_version, basis)),
    custom_id
FROM reserved
