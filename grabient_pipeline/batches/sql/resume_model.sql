-- Parameters: provider, model.
UPDATE paused_models SET resumed_at = now() WHERE provider = $provider AND model = $model AND resumed_at IS NULL
