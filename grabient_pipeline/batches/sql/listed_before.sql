-- When the accounts were last listed, since the ledger was last restored.
SELECT provider, account, listed_at
FROM listings
WHERE listed_at > coalesce((SELECT restored_at FROM config), '-infinity'::TIMESTAMPTZ)
