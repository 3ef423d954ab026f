SELECT provider, model, reason, paused_at FROM paused_models WHERE resumed_at IS NULL ORDER BY provider, model
