-- Parameters: provider, account.
MERGE INTO listings AS known
USING (SELECT $provider AS provider, $account AS account) AS listed
ON known.provider = listed.provider AND known.account = listed.account
WHEN MATCHED THEN UPDATE SET listed_at = now()
WHEN NOT MATCHED THEN INSERT (provider, account, listed_at) VALUES (listed.provider, listed.account, now())
