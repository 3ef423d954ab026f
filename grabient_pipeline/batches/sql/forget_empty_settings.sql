-- Of an account of which nothing is said any more, there is no row.
DELETE FROM account_limits WHERE coalesce(tier, tokens::VARCHAR, requests::VARCHAR, jobs::VARCHAR) IS NULL
