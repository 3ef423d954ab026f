-- What other batches held when a batch was created: tokens of its model, requests and jobs of all models, jobs of the model.
-- A batch that failed held nothing. Parameters: submission.
WITH refused AS (
    SELECT submission, provider, model, coalesce(submitted_at, created_at) AS created_at
    FROM tag_batches
    WHERE submission = $submission
)
SELECT
    coalesce(sum(others.estimated_input_tokens) FILTER (others.model = refused.model), 0)::BIGINT,
    coalesce(sum(others.request_count), 0)::BIGINT,
    count(*),
    count(*) FILTER (others.model = refused.model)
FROM tag_batches AS others
JOIN refused ON others.provider = refused.provider AND others.submission <> refused.submission
WHERE others.access = 'batch'
  AND others.status NOT IN ('released', 'failed')
  AND coalesce(others.submitted_at, others.created_at) <= refused.created_at
  AND coalesce(others.completed_at, 'infinity'::TIMESTAMPTZ) > refused.created_at
