-- Parameters: provider, model, reason.
INSERT INTO paused_models BY NAME
SELECT $provider AS provider, $model AS model, $reason AS reason, now() AS paused_at
WHERE NOT EXISTS (
    SELECT 1 FROM paused_models WHERE provider = $provider AND model = $model AND resumed_at IS NULL
)
