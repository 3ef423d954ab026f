-- `reserved` is a registered frame: custom_id, submission, seed, analysis_index, attempt, basis, basis_models,
-- basis_answers.
-- Parameters: stage, provider, model, prompt_version.
INSERT INTO tag_requests BY NAME
SELECT
    custom_id,
    submission,
    $stage AS stage,
    seed,
    $provider AS provider,
    $model AS model,
    analysis_index,
    $prompt_version AS prompt_version,
    attempt,
    'in_flight' AS state,
    basis,
    basis_models,
    basis_answers
FROM reserved
