-- Parameters: provider, tier; null takes back what was said.
MERGE INTO account_limits AS kept
USING (SELECT $provider AS provider, '' AS model, $tier AS tier) AS said
ON kept.provider = said.provider AND kept.model = said.model
WHEN MATCHED THEN UPDATE SET tier = said.tier, set_at = CASE WHEN said.tier IS NULL THEN kept.set_at ELSE now() END
WHEN NOT MATCHED AND said.tier IS NOT NULL THEN INSERT (provider, model, tier, set_at)
VALUES (said.provider, said.model, said.tier, now())
