-- What a person said of how long batches may take, in hours by provider.
SELECT provider, window_hours FROM account_windows
