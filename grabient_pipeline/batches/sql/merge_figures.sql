-- Figures that are null stay as they are, unless they are among those that are taken back.
-- Parameters: provider, model, tokens, requests, jobs, taken_back.
MERGE INTO account_limits AS kept
USING (
    SELECT
        $provider AS provider,
        $model AS model,
        $tokens::BIGINT AS tokens,
        $requests::BIGINT AS requests,
        $jobs::BIGINT AS jobs,
        $taken_back::VARCHAR[] AS taken_back
) AS said
ON kept.provider = said.provider AND kept.model = said.model
WHEN MATCHED THEN UPDATE SET
    tokens = CASE WHEN NOT list_contains(said.taken_back, 'tokens') THEN coalesce(said.tokens, kept.tokens) END,
    requests = CASE WHEN NOT list_contains(said.taken_back, 'requests') THEN coalesce(said.requests, kept.requests) END,
    jobs = CASE WHEN NOT list_contains(said.taken_back, 'jobs') THEN coalesce(said.jobs, kept.jobs) END,
    set_at = CASE WHEN coalesce(said.tokens, said.requests, said.jobs) IS NULL THEN kept.set_at ELSE now() END
WHEN NOT MATCHED AND coalesce(said.tokens, said.requests, said.jobs) IS NOT NULL THEN INSERT (
    provider, model, tokens, requests, jobs, set_at
) VALUES (said.provider, said.model, said.tokens, said.requests, said.jobs, now())
