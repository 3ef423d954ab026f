-- Does nothing if the refusal is recorded.
-- Parameters: submission, provider, model, kind, named_limit, occupied, size, retry_after_seconds, reason.
INSERT INTO refused_batches BY NAME
SELECT
    $submission AS submission,
    $provider AS provider,
    $model AS model,
    $kind AS kind,
    $named_limit AS named_limit,
    $occupied AS occupied,
    $size AS size,
    $retry_after_seconds AS retry_after_seconds,
    $reason AS reason,
    now() AS refused_at
WHERE NOT EXISTS (SELECT 1 FROM refused_batches WHERE submission = $submission)
