-- Parameters: provider, window_hours.
MERGE INTO account_windows AS kept
USING (SELECT $provider AS provider, $window_hours AS window_hours) AS said
ON kept.provider = said.provider
WHEN MATCHED THEN UPDATE SET window_hours = said.window_hours, set_at = now()
WHEN NOT MATCHED THEN INSERT (provider, window_hours, set_at) VALUES (said.provider, said.window_hours, now())
